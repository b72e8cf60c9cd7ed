"""Who did what at the dashboard: a log that is only added to."""

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
    person: str  # "": nobody signs in here, or nobody knows
    action: str
    what: str  # never a secret: addresses are masked
    client: str  # address of the machine


class AuditLog:
    """The log.

    Args:
        database: where it is kept, beside the flags.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, action: str, *, person: str, what: str = "", client: str = "") -> None:
        """Add a line; on return it is kept.

        Raises:
            StoreError: it cannot be written.
        """
        line = {"person": person[:200], "action": action[:32], "what": what[:1000], "client": client[:64]}
        with self._database.writing() as connection:
            connection.execute(audit.insert().values(at=datetime.now(UTC).isoformat(), **line))

    def last(self, most: int) -> Sequence[AuditEntry]:
        """The newest lines, the newest first.

        Raises:
            StoreError: the database does not answer.
        """
        with self._database.reading() as connection:
            wanted = select(audit).order_by(audit.c.number.desc()).limit(most)
            return [AuditEntry(**row) for row in connection.execute(wanted).mappings()]
