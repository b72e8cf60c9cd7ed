"""Reads the files of a bundle: a zip file, also one that was packed again, or the folder it was unpacked into."""

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from pathlib import Path
from typing import IO, Final

from monitor.errors import BundleError

MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class _BundleMember:
    name: str
    open: Callable[[], IO[bytes]]


class BundleFiles:
    """The files of a bundle by the names of its manifest: with slashes, without the folder that a packer put on top.

    Raises:
        BundleError: there is no manifest, or more than one.
    """

    def __init__(self, members: list[_BundleMember], path: Path) -> None:
        top = _top_folder([member.name for member in members], path)
        self.names: tuple[str, ...] = tuple(member.name.removeprefix(top) or top for member in members)
        self._open = {name: member.open for name, member in zip(self.names, members, strict=True)}

    def open(self, name: str) -> IO[bytes]:
        """Opens a file."""
        return self._open[name]()

    def read(self, name: str) -> bytes:
        """The content of a file."""
        with self.open(name) as file:
            return file.read()


@contextmanager
def open_bundle(path: Path) -> Iterator[BundleFiles]:
    """Opens a zip file or a folder.

    Raises:
        BundleError: it cannot be opened, or holds no manifest.
    """
    try:
        if path.is_dir():
            yield BundleFiles(list(_folder_members(path)), path)
            return
        with zipfile.ZipFile(path) as archive:
            yield BundleFiles(list(_zip_members(archive)), path)
    except FileNotFoundError:
        raise refuse(path, "it does not exist; is the path right?") from None
    except PermissionError as error:
        raise refuse(path, f"there is no permission to read {error.filename or path}; ask its owner") from None
    except (EOFError, zipfile.BadZipFile, zlib.error, LZMAError):
        raise refuse(
            path,
            "it is no zip file, or is incomplete; copy it again, or unpack another kind of archive and name the folder",
        ) from None
    except RuntimeError:  # encrypted, or an unknown compression
        raise refuse(
            path, "it was packed again with a password or a rare compression; unpack it, and verify the folder"
        ) from None
    except OSError as error:
        raise refuse(path, f"it cannot be read ({error.strerror or 'unknown cause'}); copy it elsewhere") from None


def refuse(path: Path, why: str) -> BundleError:
    """The error for a file that is no bundle."""
    return BundleError(f"{path} is not a bundle of flags: {why}")


def _zip_members(archive: zipfile.ZipFile) -> Iterator[_BundleMember]:
    """All members but the entries of folders, which packers add."""
    for info in archive.infolist():
        name = info.filename.replace("\\", "/").removeprefix("./")
        if not (name.endswith("/") and info.file_size == 0):
            yield _BundleMember(name, partial(archive.open, info))


def _folder_members(folder: Path) -> Iterator[_BundleMember]:
    """All files; a link to a folder counts as a file that cannot be read."""
    if not (folder / MANIFEST).is_file():
        inner = sorted(below.name for below in folder.iterdir() if (below / MANIFEST).is_file())
        if inner:
            raise refuse(folder, f"its subfolder {inner[0]} may be one; verify {folder / inner[0]}")
        raise refuse(folder, f"the folder has no {MANIFEST}; `flags verify` without a path verifies the stored flags")
    for parent, folders, files in os.walk(folder, onerror=_raise):
        for name in (*files, *(name for name in folders if Path(parent, name).is_symlink())):
            path = Path(parent, name)
            yield _BundleMember(path.relative_to(folder).as_posix(), partial(_open_regular, path))


def _raise(error: OSError) -> None:
    raise error


def _open_regular(path: Path) -> IO[bytes]:
    if not path.is_file():  # a pipe, for example, would block
        raise OSError(f"{path} is not a regular file")
    return path.open("rb")


def _top_folder(names: list[str], path: Path) -> str:
    """The folder that holds the manifest, with a slash at the end; "" without a folder on top."""
    if MANIFEST in names:
        return ""
    tops = sorted({name.removesuffix(MANIFEST) for name in names if name.endswith(f"/{MANIFEST}")}, key=len)
    if not tops:
        raise refuse(path, f"it has no {MANIFEST}; choose the file that `flags export` wrote")
    if len(tops) > 1:
        raise refuse(path, f"it holds several ({', '.join(tops)}); unpack it, and verify each folder")
    return tops[0]
