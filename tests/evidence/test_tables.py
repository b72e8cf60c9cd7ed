from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from monitor.evidence.store import FlagStore
from monitor.evidence.tables import metadata


def test_migrations_make_these_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/flags.db"
    FlagStore.open(url).close()
    with create_engine(url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
