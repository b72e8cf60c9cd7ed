from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from support.flagging import flag
from support.visitors import PASSWORD, QUICK

from monitor.errors import StoreError
from monitor.flags import tables as flags_tables
from monitor.flags.database import FlagStore
from monitor.server.auth import tables as auth_tables
from monitor.server.auth.accounts import Accounts
from monitor.server.auth.user import Role
from monitor.server.idempotency_keys import idempotency_keys
from monitor.server.notify.webhooks import tables as webhook_tables
from monitor.system import database as module
from monitor.system.database import Database, metadata


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/flags.db"


def differences(url: str) -> list[object]:
    """The differences between the existing tables and the declared ones."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    return found


def test_migrations_create_the_declared_tables(url: str) -> None:
    Database.open(url).close()
    assert set(metadata.tables.values()) == {
        *(flags_tables.flags, flags_tables.events),
        *(auth_tables.people, auth_tables.audit, auth_tables.api_keys),
        *(webhook_tables.webhooks, webhook_tables.webhook_deliveries),
        idempotency_keys,
    }
    assert differences(url) == []


def test_an_older_database_is_migrated(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = module.command.upgrade
    with monkeypatch.context() as older:
        older.setattr(module.command, "upgrade", lambda config, _: upgrade(config, "0001"))
        with FlagStore.open(url) as store:
            store.add(flag(), actor="ada")
    with FlagStore.open(url) as store:
        assert store.get(flag().id) == flag()
        assert store.first_fault() is None
        Accounts(store.database, hasher=QUICK).add("ada", role=Role.ADMIN, password=PASSWORD)
    assert differences(url) == []


@pytest.mark.parametrize("bad", ["no url", "nosuchsql:///flags.db", "sqlite:////proc/nothing/flags.db"])
def test_an_invalid_address_is_one_sentence(bad: str) -> None:
    with pytest.raises(StoreError) as told:
        Database.open(bad)
    assert "\n" not in str(told.value)


def test_a_file_that_is_not_a_database_is_one_sentence(url: str, tmp_path: Path) -> None:
    (tmp_path / "flags.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        Database.open(url)


def test_errors_never_contain_a_password() -> None:
    with pytest.raises(StoreError) as told:
        Database.open("nosuchsql://ada:secret@host/flags")
    assert "secret" not in str(told.value)


def test_a_transaction_that_fails_writes_nothing(url: str) -> None:
    row = {"name": "ada", "role": "admin", "password": "", "password_at": ""}
    with Database.open(url) as database:
        with pytest.raises(StoreError, match="nothing was changed"):
            write(database, row, row)
        with database.reading() as connection:
            assert connection.execute(auth_tables.people.select()).all() == []


def write(database: Database, *rows: dict[str, str]) -> None:
    with database.writing() as connection:
        for row in rows:
            connection.execute(auth_tables.people.insert().values(**row))


def test_a_folder_that_cannot_be_made_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"cannot be made: Not a directory; set evidence\.folder, or .* HOME"):
        Database.open(f"sqlite:///{tmp_path}/file/deeper/flags.db")
