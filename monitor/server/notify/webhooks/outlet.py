"""Writes the events of all streams into the outbox, and keeps a thread for each subscription."""

import logging
import queue
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from monitor.errors import StoreError
from monitor.runtime import Observer, PacedJob
from monitor.server.notify import OutletContext, OutletCount, WatchedStream
from monitor.server.notify.webhooks.delivery import LOOK_INTERVAL, WebhookDelivery
from monitor.server.notify.webhooks.message import make_message_id, message_body
from monitor.server.notify.webhooks.outbox import DELETED_AT_ONCE, DeliveryState, NewDelivery, WebhookOutbox
from monitor.server.notify.webhooks.sender import WebhookSender
from monitor.server.notify.webhooks.store import WebhookStore
from monitor.server.notify.webhooks.subscription import OFFERED_TYPES, StreamNames, WebhookSubscription
from monitor.system.masking import mask
from monitor.types.events import Event

_AT_ONCE: Final = 500  # events of one transaction
_TIDY_INTERVAL: Final = 60.0  # seconds (wall clock) between two deletions of old rows
_REPORT_INTERVAL: Final = 60.0  # seconds (wall clock) between two log lines about lost events
_STOP_TIME: Final = 0.5  # seconds (wall clock) for the request of a removed subscription
_CLOSE_TIME: Final = 1.0  # seconds (wall clock) for the last events

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _QueuedEvent:
    event: Event
    stream: StreamNames


def open_outlet(context: OutletContext) -> "WebhookOutlet":
    """The outlet; without a subscription, it sends nothing."""
    return WebhookOutlet(context)


class WebhookOutlet:
    """Delivers the events of all streams to the subscriptions in the database.

    An event waits in a bounded queue in memory until its deliveries are committed, which takes milliseconds. Events are
    lost only if the database is so slow that the queue overflows.
    """

    name = "webhooks"

    def __init__(self, context: OutletContext) -> None:
        self._settings = context.settings.webhooks
        self._store = WebhookStore(context.database, self._settings)
        self._outbox = WebhookOutbox(context.database)
        self._queue: queue.Queue[_QueuedEvent] = queue.Queue(self._settings.queue_size)
        self._unwritten: list[NewDelivery] = []
        self._subscriptions: tuple[WebhookSubscription, ...] = ()
        self._deliveries: dict[str, WebhookDelivery] = {}
        self._job = PacedJob("webhooks", self._run)
        self._synced_at = self._tidied_at = self._reported_at = -float("inf")
        self._lock = threading.Lock()
        self._complaint = ""  # about the database, logged once
        self.lost = 0  # events that never reached the database

    def start(self) -> None:
        """Begin to send."""
        self._job.start()

    def watch(self, stream: WatchedStream) -> Observer:
        """The observer of a new stream: it puts events into the queue."""

        def observe(event: Event) -> None:
            if event.type in OFFERED_TYPES:
                names = StreamNames(id=stream.id, name=stream.name, address=mask(stream.address))
                self._put(_QueuedEvent(event, names))

        return observe

    def forget(self, stream: WatchedStream) -> None:
        """The stream was removed; what it has left in the queue is still delivered."""

    def close(self) -> None:
        """Write all events, send what can be sent within a second; the rest follows after the next start."""
        deadline = time.monotonic() + _CLOSE_TIME
        if self._job.stop(timeout=_CLOSE_TIME):
            with suppress(StoreError):
                while self._write():
                    pass
        if self._unwritten or self._queue.qsize():
            _log.warning("the database is too slow: %d events for webhooks are lost", self._queue.qsize())
        for delivery in self._deliveries.values():
            delivery.wake()
        for delivery in self._deliveries.values():
            delivery.wait(timeout=max(0.0, deadline - time.monotonic()))
        for delivery in self._deliveries.values():
            delivery.stop(timeout=max(0.1, deadline - time.monotonic()))

    def counts(self) -> Iterable[OutletCount]:
        """The deliveries by subscription.

        Raises:
            StoreError: the database does not answer.
        """
        yield OutletCount(outlet=self.name, lost=self.lost)
        stored: Mapping[str, Mapping[DeliveryState, int]] = self._outbox.counts()
        for webhook_id, delivery in tuple(self._deliveries.items()):
            states = stored.get(webhook_id, {})
            yield OutletCount(
                outlet=self.name,
                target=webhook_id,
                delivered=delivery.delivered,
                failed=delivery.failed,
                waiting=states.get(DeliveryState.WAITING, 0),
                dead=states.get(DeliveryState.DEAD, 0),
            )

    def _put(self, queued: _QueuedEvent) -> None:
        try:
            self._queue.put_nowait(queued)
        except queue.Full:
            with self._lock:
                self.lost += 1
                is_due = time.monotonic() - self._reported_at > _REPORT_INTERVAL
                if is_due:
                    self._reported_at = time.monotonic()
            if is_due:
                _log.error(
                    "the database is too slow for the webhooks: %d events are lost since the start, because %d wait "
                    "in memory (webhooks.queue_size)",
                    self.lost,
                    self._settings.queue_size,
                )
        self._job.wake()

    def _run(self) -> float:
        try:
            now = time.monotonic()
            if now - self._synced_at >= LOOK_INTERVAL:
                self._follow(self._store.all())
                self._synced_at = now
            has_more = self._write()
            if now - self._tidied_at >= _TIDY_INTERVAL:
                if self._delete_old():
                    has_more = True
                else:
                    self._tidied_at = now
            self._complaint = ""
        except StoreError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                _log.warning("webhooks wait for the database: %s", error)
            return LOOK_INTERVAL
        return 0.0 if has_more else LOOK_INTERVAL

    def _follow(self, subscriptions: Iterable[WebhookSubscription]) -> None:
        """Start threads for new subscriptions, and stop those of removed ones."""
        self._subscriptions = tuple(subscriptions)
        for subscription in self._subscriptions:
            delivery = self._deliveries.get(subscription.id)
            if delivery is not None:
                delivery.subscription = subscription
                continue
            delivery = WebhookDelivery(
                subscription,
                outbox=self._outbox,
                store=self._store,
                sender=WebhookSender(self._settings),
                give_up_after=timedelta(hours=self._settings.give_up_hours),
            )
            self._deliveries[subscription.id] = delivery
            delivery.start()
        for webhook_id in self._deliveries.keys() - {subscription.id for subscription in self._subscriptions}:
            self._deliveries.pop(webhook_id).stop(timeout=_STOP_TIME)

    def _write(self) -> bool:
        """Move up to 500 events from the queue to the outbox.

        Returns:
            Whether more events wait.

        Raises:
            StoreError: the database does not answer; these events are written by the next call.
        """
        if not self._unwritten:
            self._unwritten = [new for queued in self._take() for new in self._deliveries_of(queued)]
        self._outbox.add(self._unwritten)
        written = {new.webhook for new in self._unwritten}
        self._unwritten = []
        for webhook_id in written & self._deliveries.keys():
            self._deliveries[webhook_id].wake()
        return not self._queue.empty()

    def _take(self) -> Iterable[_QueuedEvent]:
        for _ in range(_AT_ONCE):
            try:
                yield self._queue.get_nowait()
            except queue.Empty:
                return

    def _deliveries_of(self, queued: _QueuedEvent) -> list[NewDelivery]:
        event, stream = queued.event, queued.stream
        wanting = [one for one in self._subscriptions if one.wants(event, stream)]
        if not wanting:
            return []
        try:
            message_id, body = make_message_id(), message_body(event, stream_id=stream.id, stream_name=stream.name)
        except (TypeError, ValueError):
            _log.exception("an event of the type %s has no form in JSON and is lost", event.type)
            with self._lock:
                self.lost += 1
            return []
        return [
            NewDelivery(
                webhook=subscription.id,
                source=stream.address,
                message_id=message_id,
                type=event.type,
                body=body,
                created_at=event.at,
            )
            for subscription in wanting
        ]

    def _delete_old(self) -> bool:
        """Delete up to 1000 old rows of each state; returns whether there may be more."""
        now, settings = datetime.now(UTC), self._settings
        deleted = self._outbox.delete_old(
            delivered_before=now - timedelta(hours=settings.keep_delivered_hours),
            dead_before=now - timedelta(days=settings.keep_dead_days),
        )
        return deleted >= DELETED_AT_ONCE
