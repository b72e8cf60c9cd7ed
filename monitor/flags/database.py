"""Flags in the database, with a log of all actions. Every method commits before it returns.

Usable from several threads and processes.
"""

import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Self

from sqlalchemy import ColumnElement, Connection, func, select

from monitor.errors import FlagChangedError, FlagNotFoundError, UsageError
from monitor.flags import tables
from monitor.flags.history import HistoryEvent, create_event, first_break
from monitor.flags.queries import ALL, FlagQuery
from monitor.system.database import Database
from monitor.types import ClipState, Flag, FlagFile, Opinion

_NAMED: Final = 3  # ids that an error about an ambiguous id names
_REVIEW: Final = ("opinion", "category", "note", "reviewed_by", "reviewed_at")  # fields of a review


def new_id(now: datetime) -> str:
    """An id that sorts by time, such as ``20261124T153000-5f2c01ab``."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


class FlagStore:
    """All flags and their log.

    Each method raises StoreError if the database does not answer; nothing is written then.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, url: str) -> Self:
        """Opens the store at an SQLAlchemy URL.

        Raises:
            StoreError: the URL is invalid, the database does not answer, or a newer program created it.
        """
        return cls(Database.open(url))

    def close(self) -> None:
        """Closes the connections."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, flag: Flag, *, actor: str) -> None:
        """Commits a new flag; on return it survives a crash of the machine."""
        with self._writing() as connection:
            connection.execute(tables.flags.insert().values(_row(flag)))
            _log(connection, actor=actor, action="flagged", flag=flag, details={"origin": flag.origin})

    def get(self, flag_id: str) -> Flag:
        """The flag with this id.

        Raises:
            FlagNotFoundError: no flag has this id.
        """
        with self.database.reading() as connection:
            return _read(connection, flag_id)

    def resolve(self, typed: str) -> Flag:
        """The flag with this id, or the only flag whose id begins with it.

        Raises:
            FlagNotFoundError: no id begins so.
            UsageError: several ids begin so.
        """
        column = tables.flags.c.id
        with self.database.reading() as connection:
            similar = select(column).where(column.startswith(typed, autoescape=True)).order_by(column)
            found = list(connection.execute(similar.limit(_NAMED + 1)).scalars()) if typed else []
            if len(found) > 1 and typed not in found:
                named = ", ".join(found[:_NAMED]) + (", ..." if len(found) > _NAMED else "")
                raise UsageError(f"several flags have an id that begins with {typed} ({named}): type more of the id")
            return _read(connection, found[0] if len(found) == 1 else typed)

    def resolve_all(self, typed: Iterable[str]) -> list[Flag]:
        """As :meth:`resolve`, each flag once, in the order of the ids."""
        return list({flag.id: flag for flag in map(self.resolve, typed)}.values())

    def find(self, query: FlagQuery = ALL, *, limit: int = 100, offset: int = 0) -> list[Flag]:
        """The flags of a query, in its order."""
        with self.database.reading() as connection:
            statement = query.apply(select(tables.flags.c.content)).order_by(*query.order_columns)
            contents = connection.execute(statement.limit(limit).offset(offset)).scalars()
            return [Flag.of_record(content) for content in contents]

    def count(self, query: FlagQuery = ALL) -> int:
        """The number of flags of a query."""
        with self.database.reading() as connection:
            return int(connection.execute(query.apply(select(func.count()).select_from(tables.flags))).scalar_one())

    def review(
        self,
        flag_id: str,
        *,
        actor: str,
        opinion: Opinion | None = None,
        category: str | None = None,
        note: str | None = None,
        reviewed: bool = True,
        expected: str | None = None,
    ) -> Flag:
        """Stores a person's review of a flag; None leaves a field unchanged.

        Args:
            expected: SHA-256 of the flag before the review; None: any.

        Raises:
            FlagNotFoundError: no flag has this id.
            FlagChangedError: the flag has another SHA-256 than expected.
        """
        fields: dict[str, Any] = {"opinion": opinion, "category": category, "note": note}
        changes = {name: value for name, value in fields.items() if value is not None}
        when = datetime.now(UTC) if reviewed else None
        changes |= {"reviewed_at": when, "reviewed_by": actor if reviewed else ""}
        details = {"said": [name for name, value in fields.items() if value is not None]}
        action = "reviewed" if reviewed else "reopened"

        def change(flag: Flag) -> dict[str, Any]:
            _require_unchanged(flag, expected)
            return changes

        return self._change(flag_id, actor=actor, action=action, details=details, change=change)

    def undo_review(self, before: Flag, after: Flag, *, actor: str) -> Flag:
        """Restores the review of a flag from before a review.

        Args:
            before: the flag before that review.
            after: the flag as :meth:`review` returned it.

        Raises:
            UsageError: the flag was reviewed again since.
            FlagNotFoundError: the flag has been deleted.
        """

        def restore(flag: Flag) -> dict[str, Any]:
            if any(getattr(flag, name) != getattr(after, name) for name in _REVIEW):
                by = flag.reviewed_by or "another person"
                raise UsageError(f"the review of flag {flag.id} is not undone: {by} reviewed it since")
            return {name: getattr(before, name) for name in _REVIEW}

        return self._change(after.id, actor=actor, action="undone", details={}, change=restore)

    def attach(
        self,
        flag_id: str,
        exhibits: Sequence[FlagFile],
        *,
        clip: ClipState,
        span: tuple[float, float] | None = None,
        why: str = "",
        expected: str | None = None,
    ) -> Flag:
        """Stores the list of a flag's files and the state of its clip.

        Args:
            exhibits: all of its files.
            span: media time of the first and the last picture of the clip, seconds; None: no clip, or not known.
            expected: SHA-256 of the flag before; None: any.

        Raises:
            FlagNotFoundError: the flag has been deleted.
            FlagChangedError: the flag has another SHA-256 than expected.
        """
        names = [exhibit.name for exhibit in exhibits]
        start, end = (None, None) if span is None else span
        changes = {"exhibits": tuple(exhibits), "clip": clip, "clip_why": why, "clip_start": start, "clip_end": end}

        def change(flag: Flag) -> dict[str, Any]:
            _require_unchanged(flag, expected)
            return changes

        return self._change(
            flag_id,
            actor="",
            action="kept" if clip is ClipState.KEPT else "not kept",
            details={"files": names, "why": why} | ({} if span is None else {"span": span}),
            change=change,
        )

    def note(self, action: str, *, actor: str, flag_id: str = "", details: dict[str, Any] | None = None) -> None:
        """Logs an action that changes no flag, such as an export."""
        with self._writing() as connection:
            flag = _read(connection, flag_id) if flag_id else None
            _log(connection, actor=actor, action=action, flag=flag, details=details or {})

    def delete(self, flag_id: str, *, actor: str, why: str = "", expected: str | None = None) -> None:
        """Deletes a flag; the log keeps its id and the actor, but nothing of its content.

        Args:
            expected: SHA-256 of the flag; None: any.

        Raises:
            FlagNotFoundError: no flag has this id.
            FlagChangedError: the flag has another SHA-256 than expected.
        """
        with self._writing() as connection:
            _require_unchanged(_read(connection, flag_id), expected)
            connection.execute(tables.flags.delete().where(tables.flags.c.id == flag_id))
            _log(connection, actor=actor, action="deleted", flag_id=flag_id, details={"why": why} if why else {})

    def ids(self) -> set[str]:
        """The ids of all flags."""
        with self.database.reading() as connection:
            return set(connection.execute(select(tables.flags.c.id)).scalars())

    def events(self, flag_id: str = "") -> list[HistoryEvent]:
        """The log in order, of one flag or of all flags."""
        with self.database.reading() as connection:
            return _events(connection, tables.events.c.flag_id == flag_id) if flag_id else _events(connection)

    def require_writable(self) -> None:
        """Checks that a writing transaction can begin."""
        with self._writing():
            pass

    def first_fault(self) -> str | None:
        """The first change to flags or log that bypassed this program, as a clause; None without one."""
        with self.database.reading() as connection:
            log = _events(connection)
            rows = {row["id"]: dict(row) for row in connection.execute(select(tables.flags)).mappings()}
        fault = first_break(log)
        if fault is not None:
            return fault
        last = {event.flag_id: event.flag_sha256 for event in log if event.flag_id}
        for flag_id, row in rows.items():
            flag = Flag.of_record(row["content"])
            if last.get(flag_id) != flag.sha256 or json.dumps(_row(flag)) != json.dumps(row):
                return f"flag {flag_id} was changed without a log entry"
        removed = next((flag_id for flag_id, digest in last.items() if digest and flag_id not in rows), None)
        return None if removed is None else f"flag {removed} was removed without a log entry"

    def _change(
        self,
        flag_id: str,
        *,
        actor: str,
        action: str,
        details: dict[str, Any],
        change: Callable[[Flag], dict[str, Any]],
    ) -> Flag:
        """Changes the fields that ``change`` returns; an error from it changes nothing."""
        with self._writing() as connection:
            flag = _read(connection, flag_id)
            flag = replace(flag, **change(flag))
            connection.execute(tables.flags.update().where(tables.flags.c.id == flag_id).values(_row(flag)))
            _log(connection, actor=actor, action=action, flag=flag, details=details)
        return flag

    def _writing(self) -> AbstractContextManager[Connection]:
        """A transaction without concurrent writers, so that the log stays one chain."""
        return self.database.writing(alone_in=tables.events.name)


def _events(connection: Connection, *conditions: ColumnElement[bool]) -> list[HistoryEvent]:
    statement = select(tables.events).where(*conditions).order_by(tables.events.c.number)
    return [HistoryEvent(**row) for row in connection.execute(statement).mappings()]


def _read(connection: Connection, flag_id: str) -> Flag:
    content = connection.execute(select(tables.flags.c.content).where(tables.flags.c.id == flag_id)).scalar()
    if content is None:
        raise FlagNotFoundError(
            f"there is no flag {flag_id}: it was deleted, or the id is wrong (`flags list` shows all ids)"
        )
    return Flag.of_record(content)


def _require_unchanged(flag: Flag, expected: str | None) -> None:
    if expected is not None and flag.sha256 != expected:
        raise FlagChangedError(f"flag {flag.id} was changed meanwhile: read it again, then repeat the request")


def _log(
    connection: Connection,
    *,
    actor: str,
    action: str,
    details: dict[str, Any],
    flag: Flag | None = None,
    flag_id: str = "",
) -> None:
    newest = (
        connection.execute(select(tables.events).order_by(tables.events.c.number.desc()).limit(1)).mappings().first()
    )
    event = create_event(
        None if newest is None else HistoryEvent(**newest),
        at=_iso(datetime.now(UTC)),
        actor=actor,
        action=action,
        flag_id=flag_id if flag is None else flag.id,
        flag_sha256="" if flag is None else flag.sha256,
        details=details,
    )
    connection.execute(tables.events.insert().values({name: getattr(event, name) for name in event.__slots__}))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _row(flag: Flag) -> dict[str, Any]:
    content = flag.record()
    columns = {name: content[name] for name in tables.flags.c.keys() if name != "content"}  # noqa: SIM118 - no mapping
    return {**columns, "content": content}
