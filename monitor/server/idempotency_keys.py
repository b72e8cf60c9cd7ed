"""Idempotency keys: a request that is repeated with its key is done once.

A client that lost the answer repeats its request with the same header ``Idempotency-Key`` and gets the resource of the
first one (IETF draft "The Idempotency-Key HTTP Header Field").
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Column, ColumnElement, String, Table, and_, select

from monitor.errors import ConflictError, UsageError
from monitor.system.database import Database, metadata

MAX_AGE: Final = timedelta(hours=24)
LONGEST: Final = 200  # characters of a key
_RETRY_AFTER: Final = 5  # seconds (wall clock): by then, a request whose connection was lost has mostly ended

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", String(80), primary_key=True),  # id of the API key; "" without one
    Column("key", String(LONGEST), primary_key=True),
    Column("request", String(64), nullable=False),  # SHA-256 of the whole request
    Column("resource", String(40), nullable=False),  # id of the resource that it created
    Column("created_at", String(32), nullable=False),
)


@dataclass(frozen=True, slots=True)
class CompletedRequest:
    """A request that was done with a key."""

    request: str  # SHA-256 of the whole request, hexadecimal
    resource: str  # id of the resource that it created

    def require_same(self, request: str) -> None:
        """Checks that a repeated request is the same one.

        Raises:
            UsageError: its SHA-256 differs.
        """
        if request != self.request:
            raise UsageError(
                "this Idempotency-Key belongs to another request of the last 24 hours: use a new key for each request"
            )


class IdempotencyKeys:
    """The keys of the last 24 hours; each method raises StoreError if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def claim(self, owner: str, key: str) -> Iterator[None]:
        """Holds a key while its request runs; raises as :meth:`hold`."""
        self.hold(owner, key)
        try:
            yield
        finally:
            self.release(owner, key)

    def hold(self, owner: str, key: str) -> None:
        """Holds a key against the requests of all server processes, until :meth:`release`.

        Raises:
            ConflictError: a request with this key runs already.
        """
        if not self._database.locks.take(_lock_name(owner, key)):
            raise ConflictError(
                "a request with this Idempotency-Key still runs: wait for its answer", retry_after=_RETRY_AFTER
            )

    def release(self, owner: str, key: str) -> None:
        """Lets go of a key."""
        self._database.locks.release(_lock_name(owner, key))

    def find(self, owner: str, key: str) -> CompletedRequest | None:
        """The request that was done with a key; None if there was none within 24 hours."""
        with self._database.reading() as connection:
            columns = select(idempotency_keys.c.request, idempotency_keys.c.resource)
            row = connection.execute(columns.where(_is(owner, key), ~_is_expired())).mappings().first()
        return None if row is None else CompletedRequest(**row)

    def remember(self, owner: str, key: str, done: CompletedRequest) -> None:
        """Stores a request, committed on return; deletes the expired ones."""
        row = {"owner": owner, "key": key, "request": done.request, "resource": done.resource}
        with self._database.writing() as connection:
            connection.execute(idempotency_keys.delete().where(_is_expired() | _is(owner, key)))
            connection.execute(idempotency_keys.insert().values(created_at=datetime.now(UTC).isoformat(), **row))


def _lock_name(owner: str, key: str) -> str:
    return f"idempotency key {owner} {key}"


def _is(owner: str, key: str) -> ColumnElement[bool]:
    return and_(idempotency_keys.c.owner == owner, idempotency_keys.c.key == key)


def _is_expired() -> ColumnElement[bool]:
    return idempotency_keys.c.created_at < (datetime.now(UTC) - MAX_AGE).isoformat()
