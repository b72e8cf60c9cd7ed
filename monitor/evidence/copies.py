"""The files of a flag as they go into an export: as they were kept, blurred, or not at all."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from monitor.errors import OutputError
from monitor.evidence.bystanders import Bystanders
from monitor.evidence.exhibits import FACES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from monitor.evidence.exhibits import Exhibits
    from monitor.types import Exhibit, Flag

PICTURES: Final = (".jpg", ".png")
_TEXT: Final = (".json", ".csv", ".txt")  # shows nobody
_MOVING: Final = "its faces are not known frame by frame"


@dataclass(frozen=True, slots=True)
class Copy:
    """A file in an export."""

    exhibit: Exhibit  # what the flag says of it
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
class Copies:
    """All files of one flag."""

    files: tuple[Copy, ...] = ()
    missing: tuple[str, ...] = ()  # recorded, but not there
    left_out: Mapping[str, str] = field(default_factory=dict)  # name: why


def copied(flag: Flag, exhibits: Exhibits, *, blur: bool = False) -> Copies:
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
        return Copies(tuple(kept), missing)
    bystanders = Bystanders.read(folder / FACES, own=flag.track_id)
    files, left_out = [], {}
    for copy in kept:
        shown = _blurred(copy, bystanders)
        if isinstance(shown, str):
            left_out[copy.exhibit.name] = shown
        else:
            files.append(shown)
    return Copies(tuple(files), missing, left_out)


def _as_kept(flag: Flag, exhibit: Exhibit, exhibits: Exhibits) -> Copy:
    now = exhibits.exhibit(flag.id, exhibit.name)  # as it is now: whatever it was is in flag.json
    return Copy(exhibit, now.sha256, now.size, exhibits.folder(flag.id) / exhibit.name)


def _blurred(copy: Copy, bystanders: Bystanders | None) -> Copy | str:
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
        msg = f"{copy.path} cannot be read: {error.strerror or error}"
        raise OutputError(msg) from error
    except ValueError as error:
        return str(error)
    if content is None:
        return copy
    digest = hashlib.sha256(content).hexdigest()
    return Copy(copy.exhibit, digest, len(content), copy.path, content, altered=bystanders.in_words)
