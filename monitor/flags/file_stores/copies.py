"""Local copies of the files in a remote store, for programs that need a path: FFmpeg, a zip file, a web server.

A copy belongs to one version of a file and is checked against the store before each use. So a deleted or changed file
is never served from here. Copies are deleted when they were not used for an hour, or when they take too much space.
"""

import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from monitor.system.files import write_error

MAX_BYTES: Final = 2_000_000_000
_MAX_AGE: Final = timedelta(hours=1)  # since the last use
_IN_USE: Final = timedelta(minutes=30)  # since the last use: a reader may not have opened it yet


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version of a file in a remote store."""

    tag: str  # differs between versions
    size: int  # bytes
    changed_at: datetime  # UTC; becomes the copy's own time, so that its ETag is the same on every machine


class LocalCopies:
    """The copies below one folder; several processes may share it.

    Args:
        folder: created with the first copy.
    """

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder, self._max_bytes = folder, max_bytes

    def get(self, flag_id: str, name: str, version: StoredVersion, *, fetch: Callable[[Path], None]) -> Path:
        """The copy of a file; made by ``fetch``, unless it exists.

        Raises:
            OutputError: the copy cannot be written.
        """
        path = self._folder / flag_id / version.tag / name
        try:
            _touch(path, version)
        except OSError:  # there is no copy
            self.trim(room_for=version.size)
            self._make(path, version, fetch=fetch)
        return path

    def new_path(self, flag_id: str, name: str) -> Path:
        """A path in a new folder, for a file that is made here and then sent to the store.

        Raises:
            OutputError: the folder cannot be made.
        """
        path = self._folder / flag_id / f"new-{secrets.token_hex(4)}" / name
        try:
            path.parent.mkdir(parents=True)
        except OSError as error:
            raise write_error(path, error) from error
        return path

    def drop(self, path: Path) -> None:
        """Deletes the folder of a path of :meth:`new_path`."""
        shutil.rmtree(path.parent, ignore_errors=True)
        with suppress(OSError):  # other files of the flag are there
            path.parent.parent.rmdir()

    def remove(self, flag_id: str) -> None:
        """Deletes the copies of a flag's files."""
        shutil.rmtree(self._folder / flag_id, ignore_errors=True)

    def trim(self, *, room_for: int = 0) -> None:
        """Deletes copies that were not used for an hour, then the oldest until the rest takes little enough space.

        Args:
            room_for: bytes of a new copy.
        """
        found = sorted(_copies(self._folder))
        total = sum(size for _, size, _ in found) + room_for
        for used_at, size, path in found:
            age = datetime.now(UTC) - datetime.fromtimestamp(used_at, UTC)
            if age > _MAX_AGE or (total > self._max_bytes and age > _IN_USE):
                self.drop(path)
                total -= size

    def _make(self, path: Path, version: StoredVersion, *, fetch: Callable[[Path], None]) -> None:
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fetch(partial)
            _touch(partial, version)
            partial.replace(path)
        except OSError as error:
            raise write_error(path, error) from error
        finally:
            with suppress(OSError):  # it was renamed, or never existed
                partial.unlink()


def _touch(path: Path, version: StoredVersion) -> None:
    """Notes that a copy is used now."""
    os.utime(path, (datetime.now(UTC).timestamp(), version.changed_at.timestamp()))


def _copies(folder: Path) -> list[tuple[float, int, Path]]:
    """Time of the last use, size and path of each copy, and of each unfinished file."""
    found = []
    for path in folder.glob("*/*/*"):
        with suppress(OSError):  # deleted meanwhile
            facts = path.stat()
            found.append((_used_at(facts), facts.st_size, path))
    return found


def _used_at(facts: os.stat_result) -> float:
    """The time of the last use; of an unfinished file, the time of its last change."""
    return max(facts.st_atime, facts.st_ctime)
