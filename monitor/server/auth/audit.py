"""The append-only log of actions at the dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from monitor.server.auth.tables import audit
from monitor.system.database import Database


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the log."""

    number: int
    at: str  # ISO 8601, UTC
    person: str  # "" without a sign-in, or if the name is unknown
    action: str
    what: str  # the object of the action, without secrets: addresses are masked
    client: str  # address of the client


class AuditLog:
    """The log in the database; each method raises StoreError if that does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, action: str, *, person: str, what: str = "", client: str = "") -> None:
        """Adds a line; it is committed on return."""
        line = {"person": person[:200], "action": action[:32], "what": what[:1000], "client": client[:64]}
        with self._database.writing() as connection:
            connection.execute(audit.insert().values(at=datetime.now(UTC).isoformat(), **line))

    def last(self, limit: int, *, before: int | None = None) -> Sequence[AuditEntry]:
        """The latest lines, the newest first.

        Args:
            before: number of a line; only older lines are returned.
        """
        query = select(audit).order_by(audit.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.number < before)
        with self._database.reading() as connection:
            return [AuditEntry(**row) for row in connection.execute(query).mappings()]
