"""The files of a flag as they go into an export: as they were kept, blurred, or not at all."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from monitor.errors import OutputError
from monitor.flags.files import FACES, FlagFiles
from monitor.flags.redaction import Redaction
from monitor.types import Flag, FlagFile

PICTURES: Final = (".jpg", ".png")
_TEXT: Final = (".json", ".csv", ".txt")  # shows nobody
_MOVING: Final = "its faces are not known frame by frame"


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file in an export."""

    exhibit: FlagFile  # what the flag says of it
    sha256: str  # hex, of the copy
    size: int  # bytes, of the copy
    path: Path  # of the kept file
    content: bytes | None = None  # of the copy; None: of the kept file
    altered: str = ""  # in which way the copy is not the kept file

    def read(self) -> bytes:
        """The copy's bytes.

        Raises:
            OSError: the kept file cannot be read.
        """
        return self.path.read_bytes() if self.content is None else self.content


@dataclass(frozen=True, slots=True)
class ExportFiles:
    """All files of one flag."""

    files: tuple[ExportFile, ...] = ()
    missing: tuple[str, ...] = ()  # recorded, but not there
    left_out: Mapping[str, str] = field(default_factory=dict)  # name: why


def copied(flag: Flag, exhibits: FlagFiles, *, blur: bool = False) -> ExportFiles:
    """What of a flag's files goes into an export.

    Args:
        flag: whose files.
        exhibits: where they lie.
        blur: make all faces but the flag's own unrecognisable, and leave out what may show faces that are not known.

    Raises:
        OutputError: a file that is there cannot be read.
    """
    folder = exhibits.folder(flag.id)
    there = [exhibit for exhibit in flag.exhibits if (folder / exhibit.name).is_file()]
    missing = tuple(exhibit.name for exhibit in flag.exhibits if exhibit not in there)
    kept = [_as_kept(flag, exhibit, exhibits) for exhibit in there]
    if not blur:
        return ExportFiles(tuple(kept), missing)
    bystanders = Redaction.read(folder / FACES, own=flag.track_id)
    files, left_out = [], {}
    for copy in kept:
        shown = _blurred(copy, bystanders)
        if isinstance(shown, str):
            left_out[copy.exhibit.name] = shown
        else:
            files.append(shown)
    return ExportFiles(tuple(files), missing, left_out)


def _as_kept(flag: Flag, exhibit: FlagFile, exhibits: FlagFiles) -> ExportFile:
    now = exhibits.exhibit(flag.id, exhibit.name)  # as it is now: whatever it was is in flag.json
    return ExportFile(exhibit, now.sha256, now.size, exhibits.folder(flag.id) / exhibit.name)


def _blurred(copy: ExportFile, bystanders: Redaction | None) -> ExportFile | str:
    """The copy as it may be shown, or why it may not."""
    suffix = copy.path.suffix.lower()
    if suffix in _TEXT:
        return copy
    if suffix not in PICTURES:
        return _MOVING
    if bystanders is None:
        return f"{FACES} does not say where its faces are"
    try:
        content = bystanders.blurred(copy.path.read_bytes(), suffix=suffix)
    except OSError as error:
        raise OutputError(f"{copy.path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        return str(error)
    if content is None:
        return copy
    digest = hashlib.sha256(content).hexdigest()
    return ExportFile(copy.exhibit, digest, len(content), copy.path, content, altered=bystanders.in_words)
