"""The files of the flags in a folder of this machine, or of a shared file system.

A file gets its name by a rename, after its content is on the disk.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from monitor.errors import FileMissingError, FlagNotFoundError, OutputError
from monitor.system.files import lock, write_error, write_whole
from monitor.types import Flag, FlagFile

_PARTIAL: Final = ".partial"
_PATIENCE: Final = 60.0  # seconds (wall clock) that a writer waits for the repair of another process


class FolderStore:
    """Folders ``<root>/<flag id>/``.

    A process that has written a file holds a shared lock of ``root`` until it ends, however it ends. So a repair knows
    whether it is alone. Windows has no such locks: there, a repair always believes that it is alone.

    Args:
        root: created with the first flag.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock: _FolderLock | None = None
        self._locking = threading.Lock()

    @property
    def address(self) -> str:
        """The path of the root."""
        return str(self.root)

    def folder(self, flag_id: str) -> Path:
        """The folder of a flag's files."""
        return self.root / flag_id

    def create(self, flag_id: str, files: Mapping[str, bytes]) -> None:
        """Writes the files into a folder with another name, then renames the folder."""
        folder = self.folder(flag_id)
        working = folder.with_name(f"{flag_id}{_PARTIAL}")
        try:
            self._hold()
            for name, content in files.items():
                write_whole(working / name, content)
            working.rename(folder)
            _sync_names(self.root)
        except OSError as error:
            raise write_error(folder, error) from error
        finally:
            shutil.rmtree(working, ignore_errors=True)  # after a success it does not exist

    @contextmanager
    def open_new(self, flag_id: str, name: str) -> Iterator[Path]:
        """Yields a path beside the file's own, and renames it after the block."""
        folder = self.folder(flag_id)
        if not folder.is_dir():
            raise FlagNotFoundError(f"the files of flag {flag_id} do not exist: the flag was deleted")
        working = folder / f"{name}{_PARTIAL}"
        try:
            self._hold()
            yield working
            with working.open("rb+") as file:
                os.fsync(file.fileno())
            working.rename(folder / name)
            _sync_names(folder)
        except OSError as error:
            raise write_error(folder / name, error) from error
        finally:
            working.unlink(missing_ok=True)

    def sizes(self, flag_id: str) -> dict[str, int]:
        """Files deleted during the call do not count."""
        found = {}
        with contextlib.suppress(OSError):
            for path in self.folder(flag_id).iterdir():
                found[path.name] = path.stat().st_size
        return found

    def usage(self, flags: Sequence[Flag]) -> dict[str, int]:
        """All files in the folders, recorded or not."""
        return {flag.id: sum(self.sizes(flag.id).values()) for flag in flags}

    def locate(self, flag_id: str, name: str) -> str:
        """The file's path."""
        return str(self.folder(flag_id) / name)

    def path(self, flag_id: str, name: str) -> Path:
        """The stored file itself."""
        path = self.folder(flag_id) / name
        if not path.is_file():
            raise FileMissingError(f"{path} cannot be read: No such file or directory")
        return path

    def hash_file(self, flag_id: str, name: str) -> FlagFile:
        """Reads the whole file."""
        return hash_content(self.folder(flag_id) / name, name=name)

    def remove(self, flag_id: str) -> None:
        """Deletes the folder."""
        folder = self.folder(flag_id)
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise OutputError(f"{folder} cannot be deleted ({error.strerror or error}): delete it by hand") from error

    def remove_abandoned(self, known: Container[str], *, min_age: timedelta) -> int:
        """Ages count from the last change of a file or folder."""
        removed = 0
        for path in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            if path.is_dir() and path.name not in known and _is_older(path, min_age):
                shutil.rmtree(path, ignore_errors=True)
                removed += 1
            for unfinished in sorted(path.glob(f"*{_PARTIAL}")):
                if _is_older(unfinished, min_age):
                    unfinished.unlink(missing_ok=True)
                    removed += 1
        return removed

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Takes the lock of the folder for this process alone, if no other process holds it."""
        with self._locking:
            is_held = self._lock is not None
            try:
                held = self._lock or _FolderLock(self.root)
                has_it = held.take(shared=False)
            except FileNotFoundError:  # no flag was ever stored
                yield True
                return
            except OSError:  # a file system without locks
                yield False
                return
            try:
                yield has_it
            finally:
                if is_held:
                    held.take(shared=True, patience=_PATIENCE)
                else:
                    held.close()

    def require_writable(self) -> None:
        """Writes a file without a name into the root, or where it will be made."""
        folder = next(path for path in (self.root, *self.root.parents) if path.exists())
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x" * 4096)
                file.flush()
        except OSError as error:
            raise write_error(folder, error) from error

    def close(self) -> None:
        """Releases the lock of the folder."""
        with self._locking:
            if self._lock is not None:
                self._lock.close()
            self._lock = None

    def _hold(self) -> None:
        """Takes a share of the folder's lock, until this process ends or closes the store.

        Raises:
            OSError: the folder cannot be made.
            OutputError: another process repairs the folder, and does not end.
        """
        if self._lock is None:  # it is held while this process repairs, too
            with self._locking:
                self._lock = self._lock or self._take_share()

    def _take_share(self) -> "_FolderLock":
        self.root.mkdir(parents=True, exist_ok=True)
        held = _FolderLock(self.root)
        with contextlib.suppress(OSError):  # a file system without locks: every repair believes in other processes
            if not held.take(shared=True, patience=_PATIENCE):
                held.close()
                raise OutputError(f"{self.root} cannot be written: another process repairs it; try again later")
        return held


def hash_content(path: Path, *, name: str) -> FlagFile:
    """The hash and the size of a file on this machine.

    Raises:
        OutputError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return FlagFile(name, hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror or error}") from error


class _FolderLock:
    """An open folder, closed with this object."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = -1 if os.name == "nt" else os.open(folder, os.O_RDONLY)
        self.close = weakref.finalize(self, _close, self._descriptor)

    def take(self, *, shared: bool, patience: float = 0.0) -> bool:
        """Takes the lock, or changes its kind."""
        return lock(self._descriptor, shared=shared, patience=patience)


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)


def _is_older(path: Path, age: timedelta) -> bool:
    """Whether a file has not been changed for this time; the age 0 needs no clock."""
    try:
        return not age or datetime.now(UTC) - datetime.fromtimestamp(path.stat().st_mtime, UTC) >= age
    except OSError:  # deleted meanwhile
        return False


def _sync_names(folder: Path) -> None:
    """Flushes the names in a folder to the disk, on POSIX systems."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
