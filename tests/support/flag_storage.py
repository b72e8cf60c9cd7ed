"""The two places of flags that the tests run on: a folder with SQLite, and a bucket with PostgreSQL."""

from pathlib import Path
from typing import Any, Protocol

import fsspec
import pytest
import sqlalchemy
from support.s3_server import BUCKET, KEYS

from monitor.flags.archive import FlagArchive
from monitor.flags.database import FlagStore
from monitor.flags.file_stores import FileStore, open_file_store
from monitor.flags.files import FlagFiles
from monitor.settings import EvidenceSettings
from monitor.system.database import metadata

_S3 = pytest.param("s3", marks=pytest.mark.slow)  # starts two servers
on_both = pytest.mark.parametrize("storage", ["folder", _S3], indirect=True)


class Storage(Protocol):
    """A place of flags, and what happens to it without the program's knowledge."""

    settings: EvidenceSettings

    def read(self, flag_id: str, name: str) -> bytes: ...
    def write(self, flag_id: str, name: str, content: bytes) -> None: ...
    def delete(self, flag_id: str, name: str) -> None: ...
    def names(self, flag_id: str = "") -> set[str]:
        """The files of a flag, or the ids of all flags with files."""


class _Opening:
    settings: EvidenceSettings

    def archive(self) -> FlagArchive:
        return FlagArchive.open(self.settings)

    def file_store(self) -> FileStore:
        assert self.settings.folder is not None
        return open_file_store(self.settings, folder=self.settings.folder)

    def files(self, **changes: Any) -> FlagFiles:
        return FlagFiles(self.file_store(), **changes)

    def store(self) -> FlagStore:
        return self.archive().store


class FolderStorage(_Opening):
    """A folder with an SQLite database."""

    def __init__(self, folder: Path) -> None:
        self.settings = EvidenceSettings(folder=folder)
        self._root = folder / "files"

    def read(self, flag_id: str, name: str) -> bytes:
        return (self._root / flag_id / name).read_bytes()

    def write(self, flag_id: str, name: str, content: bytes) -> None:
        (self._root / flag_id / name).write_bytes(content)

    def delete(self, flag_id: str, name: str) -> None:
        (self._root / flag_id / name).unlink()

    def names(self, flag_id: str = "") -> set[str]:
        folder = self._root / flag_id
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


class BucketStorage(_Opening):
    """A bucket with a database on a server; ``folder`` is that of one machine."""

    def __init__(self, folder: Path, *, url: str, endpoint: str, prefix: str) -> None:
        self.settings = EvidenceSettings.model_validate(
            {"folder": folder, "database": url, "files": f"s3://{BUCKET}/{prefix}", "files_endpoint": endpoint}
        )
        self._root = f"{BUCKET}/{prefix}"
        self._system = fsspec.filesystem(
            "s3", endpoint_url=endpoint, use_listings_cache=False, key=KEYS["AWS_ACCESS_KEY_ID"],
            secret=KEYS["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip

    def read(self, flag_id: str, name: str) -> bytes:
        content: bytes = self._system.cat_file(f"{self._root}/{flag_id}/{name}")
        return content

    def write(self, flag_id: str, name: str, content: bytes) -> None:
        self._system.pipe_file(f"{self._root}/{flag_id}/{name}", content)

    def delete(self, flag_id: str, name: str) -> None:
        self._system.rm_file(f"{self._root}/{flag_id}/{name}")

    def names(self, flag_id: str = "") -> set[str]:
        keys = (key.removeprefix(f"{self._root}/") for key in self._system.find(f"{self._root}/{flag_id}".rstrip("/")))
        return {key.split("/")[1 if flag_id else 0] for key in keys}


def empty(url: str) -> None:
    """Deletes all rows of a database whose tables exist."""
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        if sqlalchemy.inspect(connection).has_table("flags"):
            names = ", ".join(table.name for table in metadata.sorted_tables)
            connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY")
    engine.dispose()
