"""Where the files of the flags lie: one module for each kind of store.

A store keeps the files of a flag under its id, ``<root>/<flag id>/<name>``. A file is whole or not there, at every
moment and for every reader. Several processes and machines may use one store.

::

    folder      a folder of this machine
    s3          a bucket of an S3-compatible object store
    copies      the local copies of a remote store's files

To add a kind: its module with a :class:`FileStoreKind`, and one name in ``KINDS``.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from monitor.errors import UsageError
from monitor.flags.file_stores.folder import FolderStore, hash_content
from monitor.flags.file_stores.s3 import open_s3
from monitor.settings import EvidenceSettings
from monitor.system.masking import mask
from monitor.types import Flag, FlagFile

__all__ = ["KINDS", "FileStore", "FileStoreKind", "FolderStore", "hash_content", "open_file_store"]


class FileStore(Protocol):
    """The files of all flags. Each method raises OutputError, in one sentence, if the store cannot be used."""

    @property
    def address(self) -> str:
        """The place of the store for people, without secrets."""

    def create(self, flag_id: str, files: Mapping[str, bytes]) -> None:
        """Writes a new flag's first files; on return they survive a crash of the machine. After an error, none."""

    def open_new(self, flag_id: str, name: str) -> AbstractContextManager[Path]:
        """Yields the path of one more file; after the block it is stored, after an error it is deleted.

        Raises:
            FlagNotFoundError: the flag has no files: it was deleted.
        """

    def sizes(self, flag_id: str) -> dict[str, int]:
        """Bytes of each file of a flag, by name; with unfinished files, if the store has any."""

    def usage(self, flags: Sequence[Flag]) -> dict[str, int]:
        """Bytes of the files of these flags, by id, without a request for each."""

    def locate(self, flag_id: str, name: str) -> str:
        """The path or URL of a file for people."""

    def path(self, flag_id: str, name: str) -> Path:
        """A file to read, at least during the next minutes: the stored one, or a local copy of what is stored now.

        Raises:
            FileMissingError: there is no such file.
        """

    def hash_file(self, flag_id: str, name: str) -> FlagFile:
        """The hash and the size of the stored file itself, never of a copy."""

    def remove(self, flag_id: str) -> None:
        """Deletes a flag's files, if there are any."""

    def remove_abandoned(self, known: Container[str], *, min_age: timedelta) -> int:
        """Deletes files of ids that are not known, and unfinished files, if nobody has written them for this time.

        Returns:
            The number of deleted folders and unfinished files.
        """

    def alone(self) -> AbstractContextManager[bool]:
        """Whether no other process writes files, and none can begin before the block ends; False if not known."""

    def require_writable(self) -> None:
        """Checks that a file can be written, without a lasting change."""

    def close(self) -> None:
        """Ends the use of the store by this object."""


@dataclass(frozen=True, slots=True)
class FileStoreKind:
    """A kind of store that is chosen by the scheme of ``evidence.files``."""

    schemes: tuple[str, ...]
    open: Callable[[EvidenceSettings, Path], FileStore]  # settings, the folder for local copies; raises UsageError


KINDS: Final = (FileStoreKind(("s3",), open_s3),)


def open_file_store(settings: EvidenceSettings, *, folder: Path) -> FileStore:
    """Opens the store of the settings, without a connection to it yet.

    Args:
        folder: of the flags on this machine.

    Raises:
        UsageError: ``evidence.files`` names no store that this program knows.
    """
    scheme, separator, _ = settings.files.partition("://")
    if not separator:
        return FolderStore(Path(settings.files).expanduser() if settings.files else folder / "files")
    kind = next(_kinds_of(scheme.lower()), None)
    if kind is None:
        known = ", ".join(f"{scheme}://" for kind in KINDS for scheme in kind.schemes)
        raise UsageError(
            f"evidence.files {mask(settings.files)} is not a store for flags: write a folder, or a URL with {known}"
        )
    return kind.open(settings, folder / "copies")


def _kinds_of(scheme: str) -> Iterator[FileStoreKind]:
    return (kind for kind in KINDS if scheme in kind.schemes)
