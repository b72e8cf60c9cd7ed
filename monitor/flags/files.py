"""The files of the flags, one folder for each flag: ``<root>/<flag id>/``.

The order of writes makes them safe against a kill at any moment: the first files are on the disk before the commit of
the flag, and the clip is on the disk before its record. So a folder without a flag was never visible to a user, and a
flag with a pending clip after a restart has either a whole clip or none.
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
from monitor.system.files import is_system_file, write_error, write_whole
from monitor.types import ClipState, Flag, FlagFile

CLIP: Final = "clip.mp4"
FRAME: Final = "frame.jpg"  # the picture at the flagged moment, or the last scored one before it
OVERLAY: Final = "overlay.jpg"  # the same picture with boxes, labels and heat-map
FACES: Final = "faces.json"  # the positions of the faces in it
TRACE: Final = "trace.json"  # label changes and scored samples of the face
_PARTIAL: Final = ".partial"
_CUT_SHORT: Final = "the program ended before the clip was complete"


@dataclass(frozen=True, slots=True)
class RepairReport:
    """The repairs after an unclean end of the program."""

    orphans: int  # removed folders and unfinished files without a flag
    found: int  # whole clips that were not recorded yet: recorded now
    lost: int  # flags with an incomplete clip: recorded as missing


class FlagFiles:
    """The folders below ``root``, which belongs to one store.

    Args:
        root: created with the first flag.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, flag_id: str) -> Path:
        """The folder of a flag's files."""
        return self._root / flag_id

    def create(self, flag_id: str, files: Mapping[str, bytes]) -> tuple[FlagFile, ...]:
        """Writes a new flag's first files; on return they survive a crash of the machine.

        Raises:
            OutputError: the files cannot be written; none was written.
        """
        folder = self.folder(flag_id)
        working = folder.with_name(f"{flag_id}{_PARTIAL}")
        try:
            for name, content in files.items():
                write_whole(working / name, content)
            working.rename(folder)
            _sync_names(self._root)
        except OSError as error:
            raise write_error(folder, error) from error
        finally:
            shutil.rmtree(working, ignore_errors=True)  # after a success it does not exist
        return tuple(
            FlagFile(name, hashlib.sha256(content).hexdigest(), len(content)) for name, content in files.items()
        )

    @contextmanager
    def open_new(self, flag_id: str, name: str) -> Iterator[Path]:
        """Yields the path of one more file; after the block it gets its name, after an error it is deleted.

        Raises:
            OutputError: the file cannot be written.
            FlagNotFoundError: the flag has been deleted.
        """
        folder = self.folder(flag_id)
        if not folder.is_dir():
            raise FlagNotFoundError(f"the files of flag {flag_id} do not exist: the flag was deleted")
        working = folder / f"{name}{_PARTIAL}"
        try:
            yield working
            with working.open("rb+") as file:
                os.fsync(file.fileno())
            working.rename(folder / name)
            _sync_names(folder)
        except OSError as error:
            raise write_error(folder / name, error) from error
        finally:
            working.unlink(missing_ok=True)

    def hash_file(self, flag_id: str, name: str) -> FlagFile:
        """The current hash and size of a flag's file.

        Raises:
            OutputError: the file cannot be read.
        """
        path = self.folder(flag_id) / name
        try:
            with path.open("rb") as file:
                return FlagFile(name, hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)
        except OSError as error:
            raise OutputError(f"{path} cannot be read: {error.strerror or error}") from error

    def size(self, flag_id: str) -> int:
        """Bytes of a flag's files, recorded or not; files deleted during the call do not count."""
        total = 0
        with contextlib.suppress(OSError):
            for path in self.folder(flag_id).iterdir():
                total += path.stat().st_size
        return total

    def remove(self, flag_id: str) -> None:
        """Deletes a flag's files, if there are any.

        Raises:
            OutputError: some files cannot be deleted.
        """
        folder = self.folder(flag_id)
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise OutputError(f"{folder} cannot be deleted ({error.strerror or error}): delete it by hand") from error

    def faults(self, flag: Flag) -> list[str]:
        """The changed, missing and unrecorded files of a flag, one clause each; a pending clip does not count."""
        folder = self.folder(flag.id)
        existing = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        existing = {name for name in existing if not is_system_file(name)}
        if flag.clip is ClipState.PENDING:
            existing = {name for name in existing if name != CLIP and not name.endswith(_PARTIAL)}
        recorded = {exhibit.name: exhibit for exhibit in flag.exhibits}
        faults = [f"{flag.id}/{name} is missing" for name in sorted(recorded.keys() - existing)]
        faults += [f"{flag.id}/{name} was added" for name in sorted(existing - recorded.keys())]
        common = sorted(existing & recorded.keys())
        changed = (name for name in common if self.hash_file(flag.id, name) != recorded[name])
        return faults + [f"{flag.id}/{name} was changed" for name in changed]

    def repair(self, store: FlagStore) -> RepairReport:
        """Removes unfinished files and completes records after a kill; no other process may use store or folder.

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
        complete = [flag for flag in pending if (self.folder(flag.id) / CLIP).is_file()]
        for flag in pending:
            if flag in complete:
                store.attach(flag.id, (*flag.exhibits, self.hash_file(flag.id, CLIP)), clip=ClipState.KEPT)
            else:
                store.attach(flag.id, flag.exhibits, clip=ClipState.MISSING, why=_CUT_SHORT)
        return RepairReport(orphans=orphans, found=len(complete), lost=len(pending) - len(complete))


def _sync_names(folder: Path) -> None:
    """Flushes the names in a folder to the disk, on POSIX systems."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
