"""Atomic writes of files, and folders locked by one process."""

from __future__ import annotations

import errno
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from monitor.errors import OutputError, UsageError

_HIDDEN = re.compile(r"\.([^/\\]+)-[0-9a-f]{8}\.partial")  # name of a working folder
_NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_SYSTEM_NAMES: Final = frozenset(  # in lower case; macOS, Windows, network storage
    [
        "$recycle.bin",
        ".ds_store",
        ".fseventsd",
        ".spotlight-v100",
        ".trashes",
        "@eadir",
        "__macosx",
        "desktop.ini",
        "ehthumbs.db",
        "lost+found",
        "system volume information",
        "thumbs.db",
    ]
)
_LOCK_INTERVAL: Final = 0.1  # seconds between two tries to take a lock


def write_whole(path: Path, content: bytes | str, *, private: bool = False) -> None:
    """Write under a temporary name beside ``path``, then rename: a reader sees the old or the new file, never a part.

    Args:
        path: its folder is created if it does not exist.
        content: text is written as UTF-8.
        private: whether only this user may read the file.

    Raises:
        OutputError: the file cannot be written; the old file stays, and the temporary file is deleted.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    mode = 0o600 if private else 0o666

    def partial_opener(name: str, flags: int) -> int:
        return os.open(name, flags, mode)

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(partial, "wb", opener=partial_opener) as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}): choose another place, or free space"
        ) from error


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Lock ``folder`` against other processes until the block ends; Windows has no such locks.

    Raises:
        UsageError: another process holds the lock.
        OutputError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("wb")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror or error}): choose another folder") from error
    with file:
        if not lock(file):
            raise UsageError(f"another process is at work in {folder}: let it finish, or choose another folder")
        yield


def lock(file: BinaryIO | int, *, shared: bool = False, patience: float = 0.0) -> bool:
    """Lock an open file against other processes until it is closed; Windows has no such locks.

    A lock that this process holds already changes its kind.

    Args:
        file: open for writing; or the descriptor of a folder.
        shared: allow the shared locks of other processes.
        patience: longest wait for another process that holds the lock, seconds.

    Returns:
        Whether the lock was taken; always on Windows.

    Raises:
        OSError: the file system has no locks.
    """
    if sys.platform == "win32":
        return True
    import fcntl

    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOCK_INTERVAL)
        else:
            return True


def is_system_file(name: str) -> bool:
    """Whether a file or folder of this name was made by an operating system beside the user's files.

    >>> is_system_file(".DS_Store"), is_system_file("._clip.mp4"), is_system_file("clip.mp4")
    (True, True, False)
    """
    return name.lower() in _SYSTEM_NAMES or name.startswith("._")


class NumberedError(Protocol):
    """An error of the system: an OSError, or one of FFmpeg."""

    @property
    def errno(self) -> int | None:
        """Its number, see :mod:`errno`."""

    @property
    def strerror(self) -> str | None:
        """Its text."""


def write_error(path: Path, error: NumberedError) -> OutputError:
    """The error for a result that cannot be written."""
    if error.errno in _NO_SPACE:
        why = "no space left on the disk; free some, or choose another output folder"
    elif error.errno in _NO_PERMISSION:
        why = "no permission to write there; choose another output folder"
    elif error.errno in (errno.ENOTDIR, errno.EEXIST):
        why = "a file of that name is in the way; choose another output folder"
    else:
        why = f"{error.strerror or error}; choose another output folder"
    shown = _HIDDEN.sub(r"\1", str(path))
    return OutputError(f"{shown} cannot be written: {why}")
