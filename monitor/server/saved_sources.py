"""The sources that people added on the page, in a file beside the flags, so that a restart keeps them."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from monitor.errors import OutputError
from monitor.system.files import write_whole

FILE: Final = "sources.json"

_log = logging.getLogger(__name__)


class SavedSource(BaseModel):
    """One added source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str  # as it was typed, with its password
    name: str = ""  # "": the masked address
    repeat: bool = False


_SOURCES: Final = TypeAdapter(list[SavedSource])


def read_sources(folder: Path) -> list[SavedSource]:
    """The saved sources; none if there is no file. A damaged file is moved aside, and the log says so."""
    path = folder / FILE
    try:
        return _SOURCES.validate_json(path.read_bytes())
    except FileNotFoundError:
        return []
    except OSError as error:
        _log.warning("the added sources in %s cannot be read (%s): add them again", path, error.strerror or error)
    except ValidationError:
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        _log.warning("the added sources in %s are damaged: the file is now %s, add the sources again", path, aside)
    return []


def write_sources(folder: Path, sources: Iterable[SavedSource]) -> None:
    """Replace the saved sources. Only this user can read the file, because it holds passwords of cameras.

    A file that cannot be written is logged: the sources are watched all the same.
    """
    try:
        write_whole(folder / FILE, _SOURCES.dump_json(list(sources), indent=2), private=True)
    except OutputError as error:
        _log.warning("added sources are gone after a restart: %s", error)
