"""Files in tar archives, plain or compressed, independent of the suffix."""

import re
import tarfile
import weakref
import zlib
from functools import lru_cache
from pathlib import Path, PurePosixPath

from monitor.errors import DatasetError

_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_OPEN = 2  # archives kept open per process


class TarArchive:
    """One open tar file: names and bytes of its members. It is closed with its last reference.

    Raises:
        DatasetError: it is missing, or not a tar file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # Kept open, since reopening a compressed archive starts at its beginning.
            self._tar = tarfile.open(path, "r:*")  # noqa: SIM115
            weakref.finalize(self, self._tar.close)
            members = self._tar.getmembers()
        except FileNotFoundError:
            raise DatasetError(f"{path} does not exist; fetch it again") from None
        except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
            raise DatasetError(f"{path} is no complete tar archive ({error}); fetch it again") from None
        self._members = {PurePosixPath(one.name).as_posix(): one for one in members if one.isfile()}

    @property
    def names(self) -> list[str]:
        """Paths of the files in it, without a leading ``./``, in natural order (2 before 10)."""
        return sorted(self._members, key=natural)

    def below(self, name: str) -> list[str]:
        """The file of that name, or the files in that folder, in natural order."""
        if name in self._members:
            return [name]
        return [one for one in self.names if one.startswith(f"{name}/")]

    def read(self, name: str) -> bytes:
        """The bytes of one file.

        Raises:
            DatasetError: there is no such file, or the archive breaks off before its end.
        """
        try:
            file = self._tar.extractfile(self._members[name])
            if file is not None:
                return file.read()
        except KeyError:
            pass
        except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
            raise DatasetError(f"{self.path} breaks off at {name} ({error}); fetch it again") from None
        raise DatasetError(f"{self.path} holds no file {name}; is it complete?")


@lru_cache(maxsize=_OPEN)
def open_archive(path: Path) -> TarArchive:
    """The open archive, shared by all its records, since listing a compressed one reads it completely."""
    return TarArchive(path)


def inside_archive(path: Path) -> tuple[Path, str] | None:
    """``set/1.tar.gz/1/fake/0`` -> (``set/1.tar.gz``, ``1/fake/0``); None if the path contains no archive."""
    for parent in path.parents:
        if parent.name.endswith(_SUFFIXES) and parent.is_file():
            return parent, path.relative_to(parent).as_posix()
    return None


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts the numbers in a name by their value."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.findall(r"\d+|\D+", name)]
