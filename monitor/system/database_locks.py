"""Named locks between the processes that share one database server.

On PostgreSQL these are session-level advisory locks on one connection of their own. The server releases them when the
connection ends, so a killed process leaves no lock behind. After a loss of power, the server notices within half a
minute (TCP keepalive). A connection pooler between program and server must not share sessions (PgBouncer: not in the
mode "transaction" or "statement").

An SQLite file serves one server process; there, the locks are those of the process.
"""

import hashlib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

_KEEPALIVE: Final = (  # seconds, seconds, probes: a dead machine's locks end after half a minute
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 4",
)


class DatabaseLocks:
    """The locks of one process. Usable from several threads.

    Args:
        translate: turns an error of the database into a StoreError.
    """

    def __init__(self, engine: Engine, *, translate: Callable[[], AbstractContextManager[None]]) -> None:
        self._engine, self._translate = engine, translate
        self._mutex = threading.Lock()
        self._held: set[str] = set()
        self._connection: Connection | None = None

    def take(self, name: str) -> bool:
        """Takes a lock until :meth:`release`, or the end of this process.

        Returns:
            Whether it was free: neither another process nor this one held it.

        Raises:
            StoreError: the database does not answer.
        """
        with self._mutex:
            if name in self._held:
                return False
            if self._is_shared and not self._ask("SELECT pg_try_advisory_lock(:key)", name):
                return False
            self._held.add(name)
            return True

    def holds(self, name: str) -> bool:
        """Whether this process holds a lock now; no longer so if its connection was lost meanwhile.

        Raises:
            StoreError: the database does not answer.
        """
        with self._mutex:
            if name in self._held and self._is_shared:
                self._ask("SELECT true", name)
            return name in self._held

    def release(self, name: str) -> None:
        """Releases a lock, if this process holds it."""
        with self._mutex:
            if name in self._held and self._is_shared and self._connection is not None:
                with suppress(SQLAlchemyError):  # the lock has ended with the connection
                    self._connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _key(name)})
            self._held.discard(name)

    def close(self) -> None:
        """Releases all locks."""
        with self._mutex:
            self._drop()

    @property
    def _is_shared(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    def _ask(self, statement: str, name: str) -> bool:
        """The answer of the server; an error ends the connection, and with it all locks."""
        with self._translate():
            try:
                connection = self._connection or self._connect()
                return bool(connection.execute(text(statement), {"key": _key(name)}).scalar())
            except SQLAlchemyError:
                self._drop()
                raise

    def _connect(self) -> Connection:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # from the pool, which others need
        self._connection = connection
        for statement in _KEEPALIVE:
            connection.exec_driver_sql(statement)
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._held.clear()
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.close()


def _key(name: str) -> int:
    """The key of a lock: 64 bits, signed."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
