"""Fixtures of the places of flags, a plugin of tests/conftest.py; it imports the archive when a test needs it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import postgres_server, s3_server

if TYPE_CHECKING:
    from support.flag_storage import BucketStorage, FolderStorage

_PREFIXES = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Path]:
    """A PostgreSQL server."""
    if reason := postgres_server.missing():
        pytest.skip(reason)
    with postgres_server.serve() as folder:
        yield folder


@pytest.fixture(scope="session")
def _shared_database(postgres: Path) -> Iterator[str]:
    with postgres_server.database(postgres, "shared") as url:
        yield url


@pytest.fixture
def shared_database(_shared_database: str) -> str:
    """The URL of a database on a PostgreSQL server, without rows."""
    from support.flag_storage import empty

    empty(_shared_database)
    return _shared_database


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """The address of an S3 store on loopback."""
    if reason := s3_server.missing():
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch, s3_server.serve() as address:
        for name, value in s3_server.KEYS.items():  # where AWS's own tools look for them
            patch.setenv(name, value)
        yield address


@pytest.fixture
def bucket(shared_database: str, s3_address: str, tmp_path: Path) -> BucketStorage:
    """An empty place of flags in a bucket, with PostgreSQL."""
    from support.flag_storage import BucketStorage

    prefix = f"test-{next(_PREFIXES)}"
    return BucketStorage(tmp_path / "kept", url=shared_database, endpoint=s3_address, prefix=prefix)


@pytest.fixture
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> FolderStorage | BucketStorage:
    """An empty place of flags: a folder, or with ``on_both`` also a bucket."""
    from support.flag_storage import FolderStorage

    if getattr(request, "param", "folder") == "folder":
        return FolderStorage(tmp_path / "kept")
    found: BucketStorage = request.getfixturevalue("bucket")
    return found
