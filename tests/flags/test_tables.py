from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from support.flagging import flag

from monitor.flags import database as module
from monitor.flags.database import FlagStore
from monitor.flags.tables import metadata


def test_migrations_make_these_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/flags.db"
    FlagStore.open(url).close()
    with create_engine(url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_what_an_older_version_made_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/flags.db"
    upgrade = module.command.upgrade
    with monkeypatch.context() as older:
        older.setattr(module.command, "upgrade", lambda config, _: upgrade(config, "0001"))
        with FlagStore.open(url) as store:
            store.add(flag(), actor="ada")
    with FlagStore.open(url) as store:
        assert store.get(flag().id) == flag()
        assert store.first_fault() is None
    with create_engine(url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
