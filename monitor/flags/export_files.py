"""The files of a flag for an export: unchanged, blurred, or omitted."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from monitor.errors import EngineError, OutputError, SourceError
from monitor.flags.clip_faces import blur_all_faces
from monitor.flags.clip_redaction import Position, read_positions, redact_clip
from monitor.flags.files import CLIP, FACES, TRACE, FlagFiles
from monitor.flags.redaction import Redaction
from monitor.types import Flag, FlagFile

PICTURES: Final = (".jpg", ".png")
ALTERABLE: Final = (*PICTURES, ".mp4")
_TEXT: Final = (".json", ".csv", ".txt")  # files without pictures
_MOVING: Final = "the positions of its faces are not stored for every frame"
_ALL: Final = "all faces that were found again blurred, sound removed"
_ALONE: Final = "everything outside the flagged face blurred, sound removed"


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file in an export."""

    exhibit: FlagFile  # the flag's record of the file
    sha256: str  # hex, of the copy
    size: int  # bytes, of the copy
    locate: Callable[[], Path]  # finds the stored file, or its signed copy; see :attr:`path`
    content: bytes | None = None  # of the copy; None: those of the file at ``path``
    altered: str = ""  # the alteration; "" if the copy is unchanged

    @property
    def path(self) -> Path:
        """The stored file or its signed copy; use it at once, because a store may delete its local copy later.

        Raises:
            OutputError: the stored file cannot be read.
        """
        return self.locate()

    @property
    def suffix(self) -> str:
        """The suffix of the file's name, in lower case: ``.jpg``."""
        return Path(self.exhibit.name).suffix.lower()

    def read(self) -> bytes:
        """The copy's bytes.

        Raises:
            OSError: the stored file cannot be read.
            OutputError: the stored file cannot be read.
        """
        return self.path.read_bytes() if self.content is None else self.content


@dataclass(frozen=True, slots=True)
class ExportFiles:
    """All files of one flag."""

    files: tuple[ExportFile, ...] = ()
    missing: tuple[str, ...] = ()  # recorded files that no longer exist
    skipped: Mapping[str, str] = field(default_factory=dict)  # name -> reason
    unsigned: Mapping[str, str] = field(default_factory=dict)  # name -> reason; empty if nothing was to be signed


def collect_files(flag: Flag, exhibits: FlagFiles, *, blur: bool = False) -> ExportFiles:
    """Collects the files of a flag for an export.

    Args:
        blur: make all faces but the flag's own unrecognisable, and omit pictures with unknown face positions. A clip
            shows the flag's own face alone; without its positions, all faces that are found in it are blurred.

    Raises:
        OutputError: an existing file cannot be read.
    """
    names = exhibits.names(flag.id)
    existing = [exhibit for exhibit in flag.exhibits if exhibit.name in names]
    missing = tuple(exhibit.name for exhibit in flag.exhibits if exhibit not in existing)
    copies = [_copy(flag, exhibit, exhibits) for exhibit in existing]
    if not blur:
        return ExportFiles(tuple(copies), missing)
    redaction = Redaction.read(exhibits.path(flag.id, FACES), own=flag.track_id) if FACES in names else None
    positions = read_positions(exhibits.path(flag.id, TRACE)) if TRACE in names else []
    files, skipped = [], {}
    for copy in copies:
        is_clip = copy.exhibit.name == CLIP
        result = _blur_clip(flag, copy, redaction, positions=positions) if is_clip else _blur(copy, redaction)
        if isinstance(result, str):
            skipped[copy.exhibit.name] = result
        else:
            files.append(result)
    return ExportFiles(tuple(files), missing, skipped)


def _copy(flag: Flag, exhibit: FlagFile, exhibits: FlagFiles) -> ExportFile:
    now = exhibits.hash_file(flag.id, exhibit.name)  # the current hash; flag.json contains the recorded one
    return ExportFile(exhibit, now.sha256, now.size, partial(exhibits.path, flag.id, exhibit.name))


def _blur(copy: ExportFile, redaction: Redaction | None) -> ExportFile | str:
    """The blurred copy, or the reason for omitting the file."""
    suffix = copy.suffix
    if suffix in _TEXT:
        return copy
    if suffix not in PICTURES:
        return _MOVING
    if redaction is None:
        return f"{FACES} does not contain the positions of its faces"
    path = copy.path
    try:
        content = redaction.blur(path.read_bytes(), suffix=suffix)
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        return str(error)
    return copy if content is None else _altered(copy, content, redaction.in_words)


def _blur_clip(
    flag: Flag, copy: ExportFile, redaction: Redaction | None, *, positions: Sequence[Position]
) -> ExportFile | str:
    """The clip with the flagged face alone, or with all faces blurred, or the reason for omitting it."""
    is_known = flag.track_id is not None and flag.clip_span is not None and bool(positions)
    try:
        if is_known and flag.clip_span is not None and redaction is not None:
            content = redact_clip(copy.path, start=flag.clip_span[0], positions=positions, width=redaction.width)
            return _altered(copy, content, _ALONE)
        return _altered(copy, blur_all_faces(copy.path), _ALL)
    except (SourceError, EngineError) as error:
        return f"{'' if is_known else f'{_MOVING}, and '}it cannot be blurred: {error}"


def _altered(copy: ExportFile, content: bytes, words: str) -> ExportFile:
    digest = hashlib.sha256(content).hexdigest()
    return ExportFile(copy.exhibit, digest, len(content), copy.locate, content, altered=words)
