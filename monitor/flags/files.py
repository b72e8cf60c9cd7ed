"""The files that are kept with flags: a folder for each, ``<root>/<flag id>/``.

Order is what makes them safe against a kill at any moment: the first files are on the disk before the flag is
committed, the clip is recorded after it is on the disk. So a folder without a flag was never told to anybody, and a
flag whose clip is still pending after a restart either has a whole clip or none.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from monitor.errors import FlagNotFoundError, OutputError
from monitor.flags.database import FlagStore
from monitor.flags.queries import FlagQuery
from monitor.system.files import write_error, write_whole
from monitor.types import ClipState, Flag, FlagFile

CLIP: Final = "clip.mp4"
FRAME: Final = "frame.jpg"  # the picture at the moment, or the last one that was scored before it
OVERLAY: Final = "overlay.jpg"  # the same with boxes, labels and heat-map
FACES: Final = "faces.json"  # where the faces in it are
TRACE: Final = "trace.json"  # changes of label and scored samples of the face
_PARTIAL: Final = ".partial"
_CUT_SHORT: Final = "the program ended before the seconds after the moment were over"


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a start after a kill found, and did."""

    orphans: int  # folders and unfinished files without a flag: removed
    found: int  # clips that were whole, but not recorded yet: recorded
    lost: int  # flags whose clip was cut short: recorded as missing


class FlagFiles:
    """The folders below ``root``, which belongs to one store.

    Args:
        root: made when the first flag is kept.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, flag_id: str) -> Path:
        """Where the files of a flag lie."""
        return self._root / flag_id

    def keep(self, flag_id: str, files: Mapping[str, bytes]) -> tuple[FlagFile, ...]:
        """Write a new flag's first files; on return they survive the machine.

        Raises:
            OutputError: they cannot be written; none was.
        """
        folder = self.folder(flag_id)
        working = folder.with_name(f"{flag_id}{_PARTIAL}")
        try:
            for name, content in files.items():
                write_whole(working / name, content)
            working.rename(folder)
            _settle(self._root)
        except OSError as error:
            raise write_error(folder, error) from error
        finally:
            shutil.rmtree(working, ignore_errors=True)  # there is none, if all went well
        return tuple(
            FlagFile(name, hashlib.sha256(content).hexdigest(), len(content)) for name, content in files.items()
        )

    @contextmanager
    def adding(self, flag_id: str, name: str) -> Iterator[Path]:
        """Where to write one more file; it gets its name when the block ends well, and vanishes otherwise.

        Raises:
            OutputError: it cannot be written.
            FlagNotFoundError: the flag was deleted meanwhile.
        """
        folder = self.folder(flag_id)
        if not folder.is_dir():
            raise FlagNotFoundError(f"the files of flag {flag_id} are gone: it was deleted")
        working = folder / f"{name}{_PARTIAL}"
        try:
            yield working
            with working.open("rb+") as file:
                os.fsync(file.fileno())
            working.rename(folder / name)
            _settle(folder)
        except OSError as error:
            raise write_error(folder / name, error) from error
        finally:
            working.unlink(missing_ok=True)

    def exhibit(self, flag_id: str, name: str) -> FlagFile:
        """A file that lies there, with its hash.

        Raises:
            OutputError: it cannot be read.
        """
        path = self.folder(flag_id) / name
        try:
            with path.open("rb") as file:
                return FlagFile(name, hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)
        except OSError as error:
            raise OutputError(f"{path} cannot be read: {error.strerror or error}") from error

    def size(self, flag_id: str) -> int:
        """Bytes of a flag's files, recorded or not; what goes away meanwhile counts as nothing."""
        total = 0
        with contextlib.suppress(OSError):
            for path in self.folder(flag_id).iterdir():
                total += path.stat().st_size
        return total

    def remove(self, flag_id: str) -> None:
        """Delete a flag's files; there may be none.

        Raises:
            OutputError: some are still there.
        """
        folder = self.folder(flag_id)
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise OutputError(f"{folder} cannot be deleted ({error.strerror or error}): delete it by hand") from error

    def faults(self, flag: Flag) -> list[str]:
        """Files of a flag that were changed, are missing, or were never recorded: a clause each.

        A clip that is still to come is neither.
        """
        folder = self.folder(flag.id)
        there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        if flag.clip is ClipState.PENDING:
            there = {name for name in there if name != CLIP and not name.endswith(_PARTIAL)}
        recorded = {exhibit.name: exhibit for exhibit in flag.exhibits}
        found = [f"{flag.id}/{name} is missing" for name in sorted(recorded.keys() - there)]
        found += [f"{flag.id}/{name} was added" for name in sorted(there - recorded.keys())]
        changed = (name for name in sorted(there & recorded.keys()) if self.exhibit(flag.id, name) != recorded[name])
        return found + [f"{flag.id}/{name} was changed" for name in changed]

    def repair(self, store: FlagStore) -> RepairReport:
        """Put right what a kill left half done; nobody else may be using store or folder.

        Raises:
            StoreError: the database does not answer.
            OutputError: a file cannot be read.
        """
        known = store.ids()
        orphans = 0
        for path in sorted(self._root.iterdir()) if self._root.is_dir() else ():
            if path.is_dir() and path.name not in known:
                shutil.rmtree(path, ignore_errors=True)
                orphans += 1
            for unfinished in sorted(path.glob(f"*{_PARTIAL}")):
                unfinished.unlink(missing_ok=True)
                orphans += 1
        pending = store.find(FlagQuery(clip=ClipState.PENDING), limit=len(known))
        found = [flag for flag in pending if (self.folder(flag.id) / CLIP).is_file()]
        for flag in pending:
            if flag in found:
                store.attach(flag.id, (*flag.exhibits, self.exhibit(flag.id, CLIP)), clip=ClipState.KEPT)
            else:
                store.attach(flag.id, flag.exhibits, clip=ClipState.MISSING, why=_CUT_SHORT)
        return RepairReport(orphans=orphans, found=len(found), lost=len(pending) - len(found))


def _settle(folder: Path) -> None:
    """Make the names in a folder survive the machine, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
