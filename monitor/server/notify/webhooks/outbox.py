"""The deliveries in the database, from the event until it is delivered or given up."""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, select

from monitor.server.notify.webhooks.backoff import LONGEST_ASKED
from monitor.server.notify.webhooks.tables import webhook_deliveries as deliveries
from monitor.system.database import Database
from monitor.types.serialise import JsonObject

DELETED_AT_ONCE: Final = 1000  # rows of one transaction, so that flags need not wait for it
_LONGEST_SOURCE: Final = 200  # characters, as in the table
_LONGEST_ERROR: Final = 300  # characters


class DeliveryState(StrEnum):
    """The state of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"  # given up: a dead letter


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """An event for one subscription."""

    webhook: str  # id of the subscription
    source: str  # masked address of the stream
    message_id: str
    type: str  # of the event
    body: str = field(repr=False)  # JSON
    created_at: datetime  # UTC, of the event


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One row of the outbox."""

    number: int  # in the order of the events
    webhook: str  # id of the subscription
    source: str  # masked address of the stream
    message_id: str
    type: str  # of the event
    body: str = field(repr=False)  # JSON
    state: DeliveryState
    attempts: int
    created_at: datetime  # UTC, of the event
    queued_at: datetime  # UTC; the time until it is given up runs from here
    next_at: datetime | None  # UTC, of the next attempt; None: at once, or none
    changed_at: datetime  # UTC, of the last attempt
    error: str  # of the last attempt; "" if there was none

    def to_dict(self) -> JsonObject:
        """The delivery as JSON values, without its body."""
        times = {name: getattr(self, name) for name in ("created_at", "next_at", "changed_at")}
        return {
            "number": self.number,
            "webhook": self.webhook,
            "source": self.source,
            "message_id": self.message_id,
            "type": self.type,
            "state": self.state.value,
            "attempts": self.attempts,
            "error": self.error,
            **{name: None if moment is None else moment.isoformat() for name, moment in times.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """A delivery that was not accepted."""

    number: int
    error: str
    next_at: datetime  # UTC


class WebhookOutbox:
    """All deliveries.

    Each method raises StoreError if the database does not answer; nothing is changed then.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()  # SQLite's own wait for another writer sleeps longer

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._lock, self._database.writing() as connection:
            yield connection

    def claim(self, webhook: str) -> bool:
        """Whether this process delivers to a subscription: of several processes on one database server, only one does.

        Call it before :meth:`next`; then :meth:`is_claimed` before each delivery.
        """
        return self.is_claimed(webhook) or self._database.locks.take(_lock_name(webhook))

    def is_claimed(self, webhook: str) -> bool:
        """Whether no other process can have delivered to a subscription since :meth:`claim`."""
        return self._database.locks.holds(_lock_name(webhook))

    def release(self, webhook: str) -> None:
        """Lets another process deliver to a subscription."""
        self._database.locks.release(_lock_name(webhook))

    def add(self, new: Sequence[NewDelivery]) -> None:
        """Adds deliveries in this order; they are committed on return."""
        now = _text(datetime.now(UTC))
        rows = [
            {
                "webhook": one.webhook,
                "source": one.source[:_LONGEST_SOURCE],
                "message_id": one.message_id,
                "type": one.type,
                "body": one.body,
                "state": DeliveryState.WAITING.value,
                "attempts": 0,
                "created_at": _text(one.created_at),
                "queued_at": now,
                "changed_at": now,
                "error": "",
            }
            for one in new
        ]
        if rows:
            with self._writing() as connection:
                connection.execute(deliveries.insert(), rows)

    def heads(self, webhook: str) -> Sequence[Delivery]:
        """The oldest waiting delivery of each stream for a subscription, the oldest first."""
        first = (
            select(func.min(deliveries.c.number))
            .where(deliveries.c.webhook == webhook, deliveries.c.state == DeliveryState.WAITING)
            .group_by(deliveries.c.source)
        )
        return self._select(deliveries.c.number.in_(first))

    def next(self, webhook: str, *, without: Collection[str], limit: int) -> Sequence[Delivery]:
        """The oldest waiting deliveries for a subscription, in order.

        Args:
            without: sources whose deliveries are left out.
        """
        chosen: list[ColumnElement[bool]] = [
            deliveries.c.webhook == webhook,
            deliveries.c.state == DeliveryState.WAITING,
        ]
        if without:
            chosen.append(deliveries.c.source.not_in(without))
        return self._select(*chosen, limit=limit)

    def settle(self, delivered: Sequence[int], *, failed: Sequence[FailedAttempt] = ()) -> None:
        """Records the results of some attempts.

        Args:
            delivered: numbers of the accepted deliveries.
        """
        if not delivered and not failed:
            return
        now = _text(datetime.now(UTC))
        attempts = deliveries.c.attempts + 1
        with self._writing() as connection:
            if delivered:
                done = {"state": DeliveryState.DELIVERED.value, "next_at": None, "changed_at": now, "error": ""}
                connection.execute(
                    deliveries.update().where(deliveries.c.number.in_(delivered)).values(attempts=attempts, **done)
                )
            for one in failed:
                values = {"next_at": _text(one.next_at), "changed_at": now, "error": one.error[:_LONGEST_ERROR]}
                connection.execute(
                    deliveries.update().where(deliveries.c.number == one.number).values(attempts=attempts, **values)
                )

    def give_up(self, webhook: str, *, why: str, source: str | None = None, queued_before: datetime) -> int:
        """Makes waiting deliveries of a subscription dead letters.

        Args:
            source: of this stream only; None: of all streams.

        Returns:
            Their number.
        """
        chosen: list[ColumnElement[bool]] = [
            deliveries.c.webhook == webhook,
            deliveries.c.state == DeliveryState.WAITING,
            deliveries.c.queued_at <= _text(queued_before),
        ]
        if source is not None:
            chosen.append(deliveries.c.source == source)
        values = {"state": DeliveryState.DEAD.value, "next_at": None, "error": why[:_LONGEST_ERROR]}
        return self._update(*chosen, values=values | {"changed_at": _text(datetime.now(UTC))})

    def retry(self, *, webhook: str | None = None, numbers: Sequence[int] = ()) -> int:
        """Queues dead letters again, and ends the pauses of the waiting deliveries; the chosen ones, or all.

        A dead letter that is queued again precedes all later events of its stream that still wait.

        Returns:
            The number of deliveries that are attempted now.
        """
        chosen: list[ColumnElement[bool]] = [deliveries.c.state.in_([DeliveryState.DEAD, DeliveryState.WAITING])]
        if webhook is not None:
            chosen.append(deliveries.c.webhook == webhook)
        if numbers:
            chosen.append(deliveries.c.number.in_(numbers))
        now = _text(datetime.now(UTC))
        values = {"state": DeliveryState.WAITING.value, "attempts": 0, "next_at": None, "queued_at": now}
        return self._update(*chosen, values=values)

    def last(
        self,
        limit: int,
        *,
        webhook: str | None = None,
        state: DeliveryState | None = None,
        before: int | None = None,
    ) -> Sequence[Delivery]:
        """The latest deliveries, the newest first.

        Args:
            before: number of a delivery; only older ones are returned.
        """
        chosen: list[ColumnElement[bool]] = [] if webhook is None else [deliveries.c.webhook == webhook]
        if state is not None:
            chosen.append(deliveries.c.state == state)
        if before is not None:
            chosen.append(deliveries.c.number < before)
        return self._select(*chosen, limit=limit, newest_first=True)

    def counts(self) -> Mapping[str, Mapping[DeliveryState, int]]:
        """The number of deliveries by subscription and state."""
        query = select(deliveries.c.webhook, deliveries.c.state, func.count()).group_by(
            deliveries.c.webhook, deliveries.c.state
        )
        found: dict[str, dict[DeliveryState, int]] = {}
        with self._database.reading() as connection:
            for webhook, state, number in connection.execute(query):
                found.setdefault(webhook, {})[DeliveryState(state)] = number
        return found

    def delete_old(self, *, delivered_before: datetime, dead_before: datetime) -> int:
        """Deletes delivered rows, dead letters and what waits for a disabled subscription, if old; 1000 each at most.

        Returns:
            The number of deleted rows; from 1000 on, there may be more.
        """
        limits = dict.fromkeys(DeliveryState, dead_before) | {DeliveryState.DELIVERED: delivered_before}
        deleted = 0
        for state, before in limits.items():
            old = (
                select(deliveries.c.number)
                .where(deliveries.c.state == state, deliveries.c.changed_at < _text(before))
                .limit(DELETED_AT_ONCE)
            )
            with self._database.reading() as connection:
                numbers = connection.execute(old).scalars().all()
            if numbers:
                with self._writing() as connection:
                    connection.execute(deliveries.delete().where(deliveries.c.number.in_(numbers)))
            deleted += len(numbers)
        return deleted

    def _update(self, *chosen: ColumnElement[bool], values: Mapping[str, object]) -> int:
        with self._writing() as connection:
            return connection.execute(deliveries.update().where(*chosen).values(**values)).rowcount

    def _select(
        self, *chosen: ColumnElement[bool], limit: int | None = None, newest_first: bool = False
    ) -> Sequence[Delivery]:
        number = deliveries.c.number
        query = select(deliveries).where(*chosen).order_by(number.desc() if newest_first else number).limit(limit)
        with self._database.reading() as connection:
            return [_to_delivery(row) for row in connection.execute(query).mappings()]


def is_later(moment: datetime, now: datetime) -> bool:
    """Whether the time of an attempt has not come yet; no longer so if the clock was set back meanwhile.

    >>> from datetime import UTC, datetime, timedelta
    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> is_later(now + timedelta(seconds=1), now), is_later(now + timedelta(days=1), now)
    (True, False)
    """
    return now < moment <= now + timedelta(seconds=LONGEST_ASKED)


def _lock_name(webhook: str) -> str:
    return f"webhook {webhook}"


def _text(moment: datetime) -> str:
    """A UTC time whose texts sort like the times."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _to_delivery(row: Any) -> Delivery:  # noqa: ANN401 - SQLAlchemy's RowMapping
    times = {
        name: None if row[name] is None else datetime.fromisoformat(row[name])
        for name in ("created_at", "queued_at", "next_at", "changed_at")
    }
    return Delivery(**dict(row) | times | {"state": DeliveryState(row["state"])})
