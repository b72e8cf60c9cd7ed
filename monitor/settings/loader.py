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
from monitor.settings.old_names import OLD_NAMES, describe_old_names, rename_settings
from monitor.settings.sentences import describe
from monitor.settings.stages import Settings
from monitor.types.formatting import suggest

ENVIRONMENT_PREFIX: Final = "DEEPFAKE_MONITOR_"
KEY_VARIABLE: Final = "DEEPFAKE_MONITOR_KEY"  # of a remote server, see ``--server``; not a setting
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

    layers: list[_NamedValues | _SettingsFile] = []  # from the highest priority to the lowest

    class LayeredSettings(BaseSettings, Settings):
        model_config = SettingsConfigDict(enable_decoding=False)  # lists are lines of text, not JSON

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: object, **__: object
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            layers[:] = (
                _NamedValues(settings_cls, given, prefix="", delimiter="."),
                _NamedValues(settings_cls, variables, prefix=ENVIRONMENT_PREFIX, delimiter="__"),
                _SettingsFile(settings_cls, file),
            )
            return tuple(layers)

    try:
        return Settings.model_validate(dict(LayeredSettings()))
    except ValidationError as error:
        first = error.errors()[0]
        place = tuple(map(str, first["loc"]))
        where, why = ".".join(place) or "settings", describe(first)
        if first["type"] == "extra_forbidden":
            why = f"there is no such setting{_suggest_setting(where)}"
        origins = [origin for layer in layers for origin in layer.origins(place)]
        if len(place) > 1:
            origins = origins[:1]  # a later one is overridden
        given_in = f"given by {', '.join(origins)}; " if origins else ""
        raise UsageError(f"setting {where}: {why} ({given_in}see docs/settings.md)") from None


def _suggest_setting(unknown: str) -> str:
    """The setting with the most similar last part, in the same group if possible; an old name leads to the new one."""
    group, _, last = unknown.rpartition(".")
    groups = {name: type(field.default) for name, field in Settings.model_fields.items()}
    nested = (
        f"{name}.{leaf}" for name, kind in groups.items() if issubclass(kind, BaseModel) for leaf in kind.model_fields
    )
    names = {**{name: name for name in (*groups, *nested)}, **OLD_NAMES}
    own_group_last = sorted(names, key=lambda name: name.startswith(f"{group}."))
    return suggest(last, {name.rpartition(".")[2]: names[name] for name in own_group_last})


class _NamedValues(EnvSettingsSource):
    """Values by flat name, ``<PREFIX><STAGE><DELIMITER><NAME>`` in any case; an unknown name is an error."""

    def __init__(
        self, settings_cls: type[BaseSettings], values: Mapping[str, Any], *, prefix: str, delimiter: str
    ) -> None:
        super().__init__(
            settings_cls, env_prefix=prefix.lower(), env_nested_delimiter=delimiter, env_nested_max_split=1
        )
        lower = {name.lower(): value for name, value in values.items() if name != KEY_VARIABLE}
        self._spelling = {name.lower(): name for name in values}
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

    def origins(self, place: tuple[str, ...]) -> list[str]:
        """The environment variables, or the options, that give the setting at ``place``."""
        found = []
        for name in self.env_vars:
            dotted = name.removeprefix(self.env_prefix).replace(self._delimiter, ".", 1)
            current = OLD_NAMES.get(dotted, dotted).split(".")
            if tuple(current[: len(place)]) == place[: len(current)]:
                found.append(self._spelling[name])
        return found if self.env_prefix or not found else ["--set or an option"]


class _SettingsFile(TomlConfigSettingsSource):
    """The values of a TOML file; without a path, those of the default file if it exists."""

    def __init__(self, settings_cls: type[BaseSettings], file: Path | None) -> None:
        self._path = path = file or DEFAULT_FILE
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

    def origins(self, place: tuple[str, ...]) -> list[str]:
        """The file, if it gives the setting at ``place``."""
        found: object = rename_settings(super().__call__())
        for name in place[:2]:
            if not isinstance(found, Mapping) or name not in found:
                return []
            found = found[name]
        return [str(self._path)]


def _rename_with_warning(settings: Mapping[str, Any]) -> dict[str, Any]:
    for sentence in describe_old_names(settings):
        _log.warning("%s", sentence)
    return rename_settings(settings)
