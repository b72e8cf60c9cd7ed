"""Loads the settings: defaults, then the TOML file, then the environment, then overrides. A later one wins."""

import logging
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from monitor.errors import UsageError
from monitor.settings.old_names import describe_old_names, rename_settings
from monitor.settings.stages import Settings

ENVIRONMENT_PREFIX: Final = "DEEPFAKE_MONITOR_"
DEFAULT_FILE: Final = Path("deepfake-monitor.toml")
_log = logging.getLogger(__name__)


def load_settings(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings from a TOML file, the environment and dotted overrides such as ``{"tracker.max_age": 2.0}``.

    Args:
        file: default: ``deepfake-monitor.toml`` in the working directory, if it exists.
        environment: variables ``DEEPFAKE_MONITOR_<STAGE>__<NAME>``; others are ignored. Default: the process's.
        overrides: values by dotted name; None counts as not given.

    Raises:
        UsageError: the file is missing or not valid TOML, a name is unknown, or a value is out of range.
    """
    variables = os.environ if environment is None else environment
    given = {name: value for name, value in (overrides or {}).items() if value is not None}

    class LayeredSettings(BaseSettings, Settings):
        model_config = SettingsConfigDict(enable_decoding=False)  # lists are lines of text, not JSON

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: object, **__: object
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            """From the highest priority to the lowest."""
            return (
                _NamedValues(settings_cls, given, prefix="", delimiter="."),
                _NamedValues(settings_cls, variables, prefix=ENVIRONMENT_PREFIX, delimiter="__"),
                _SettingsFile(settings_cls, file),
            )

    try:
        return Settings.model_validate(dict(LayeredSettings()))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        why = "there is no such setting" if first["type"] == "extra_forbidden" else first["msg"].lower()
        raise UsageError(f"setting {where}: {why} (see docs/settings.md)") from None


class _NamedValues(EnvSettingsSource):
    """Values by flat name, ``<PREFIX><STAGE><DELIMITER><NAME>`` in any case; an unknown name is an error."""

    def __init__(
        self, settings_cls: type[BaseSettings], values: Mapping[str, Any], *, prefix: str, delimiter: str
    ) -> None:
        super().__init__(
            settings_cls, env_prefix=prefix.lower(), env_nested_delimiter=delimiter, env_nested_max_split=1
        )
        lower = {name.lower(): value for name, value in values.items()}
        self.env_vars = {name: value for name, value in lower.items() if name.startswith(self.env_prefix)}
        self._delimiter = delimiter

    def __call__(self) -> dict[str, Any]:
        tree = super().__call__()  # without the names that no field has
        for name, value in self.env_vars.items():
            stage, nested, rest = name.removeprefix(self.env_prefix).partition(self._delimiter)
            field = Settings.model_fields.get(stage)
            if field is None:
                tree[stage] = value  # refused by the validation
            elif nested and not isinstance(field.default, BaseModel):
                raise UsageError(f"setting {stage}.{rest}: {stage} is not a group of settings")
        return _rename_with_warning(tree)


class _SettingsFile(TomlConfigSettingsSource):
    """The values of a TOML file; without a path, those of the default file if it exists."""

    def __init__(self, settings_cls: type[BaseSettings], file: Path | None) -> None:
        path = file or DEFAULT_FILE
        if file is not None and not file.exists():
            raise UsageError(f"settings file {file} does not exist")
        if file is not None and not file.is_file():
            raise UsageError(f"settings file {file} cannot be read: it is not a file")
        try:
            super().__init__(settings_cls, toml_file=path)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"settings file {path} is not valid TOML: {error}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"settings file {path} cannot be read: {error}") from None

    def __call__(self) -> dict[str, Any]:
        return _rename_with_warning(super().__call__())


def _rename_with_warning(settings: Mapping[str, Any]) -> dict[str, Any]:
    for sentence in describe_old_names(settings):
        _log.warning("%s", sentence)
    return rename_settings(settings)
