"""The SQL database with the tables of several rooms; ``migrations`` create all tables.

SQLite by default (one file, write-ahead log, durable commits); any other database that SQLAlchemy supports by its URL.
Usable from several threads and processes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, MetaData, create_engine
from sqlalchemy import event as hooks
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from monitor.errors import StoreError
from monitor.system.database_locks import DatabaseLocks

metadata = MetaData()  # all rooms add their tables here; a test compares them with the migrations
_BUSY: Final = 10.0  # seconds that a writer waits for another writer
_MIGRATION_LOCK: Final = 0x6D69677261746521  # any number that nothing else uses
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


class Database:
    """Connections to a database with current tables."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.locks = DatabaseLocks(engine, translate=partial(_translate_errors, engine))

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the database at an SQLAlchemy URL and create or migrate its tables.

        Raises:
            StoreError: the URL is invalid, the database does not answer, or a newer program created it.
        """
        try:
            parsed = make_url(url)
            if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
                Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(parsed)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise StoreError(
                f"{_masked(url)} is not a database for this program ({error}): "
                "use an SQLAlchemy URL such as sqlite:///flags.db"
            ) from None
        except OSError as error:
            raise StoreError(
                f"the folder of {_masked(url)} cannot be made: {error.strerror or error}; set evidence.folder, or the "
                "environment variable HOME, to a folder that can be written"
            ) from None
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        try:
            with _translate_errors(engine):
                _migrate(engine)
        except StoreError:
            engine.dispose()
            raise
        return cls(engine)

    def close(self) -> None:
        """Close all connections."""
        self.locks.close()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read transaction with a consistent snapshot.

        Raises:
            StoreError: the database does not answer.
        """
        with _translate_errors(self._engine), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, *, alone_in: str = "") -> Iterator[Connection]:
        """A write transaction; its commit is durable.

        Args:
            alone_in: a table locked against other writers. SQLite allows only one writer at a time anyway.

        Raises:
            StoreError: the transaction failed and was rolled back.
        """
        with (
            _translate_errors(self._engine),
            self._engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            if alone_in and self._engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"LOCK TABLE {alone_in} IN EXCLUSIVE MODE")
            yield connection


def _prepare_sqlite(engine: Engine) -> None:
    """Set a write-ahead log, durable commits, and writers that queue up instead of failing.

    SQLAlchemy's documented recipe: the driver's own transactions are disabled, and this program begins them explicitly.
    """

    @hooks.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:  # noqa: ANN401 - sqlite3.Connection
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={int(1000 * _BUSY)}", "journal_mode=WAL", "synchronous=FULL"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @hooks.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":  # until the commit: of two processes that start, one waits
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            shown = engine.url.render_as_string(hide_password=True)
            raise StoreError(
                f"a newer program created the database {shown} ({error}): update this program, or name another database"
            ) from None


@contextmanager
def _translate_errors(engine: Engine) -> Iterator[None]:
    """Translate a database error into a StoreError."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        shown = engine.url.render_as_string(hide_password=True)
        raise StoreError(
            f"the database {shown} cannot be read or written: {str(reason).splitlines()[0]}; nothing was changed"
        ) from error


def _masked(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "that address"
