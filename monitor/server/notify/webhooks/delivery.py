"""The thread of one subscription: it sends what waits, in order for each stream, with pauses after failures."""

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from monitor.errors import StoreError, UsageError
from monitor.runtime import PacedJob
from monitor.server.notify.webhooks.backoff import pause_after
from monitor.server.notify.webhooks.outbox import Delivery, FailedAttempt, WebhookOutbox, is_later
from monitor.server.notify.webhooks.sender import GONE, DeliveryAttempt, WebhookSender
from monitor.server.notify.webhooks.store import WebhookStore
from monitor.server.notify.webhooks.subscription import WebhookSubscription

LOOK_INTERVAL: Final = 2.0  # seconds (wall clock): another process may have queued deliveries
FEWEST_ATTEMPTS: Final = 10  # before a delivery is given up: the clock may have been set forward
_AT_ONCE: Final = 50  # deliveries between two writes of their results; after a crash they may be sent twice
_SETTLE_INTERVAL: Final = 1.0  # seconds (wall clock) between two writes, for a slow receiver

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Results:
    """The results of some attempts, until the database has them."""

    delivered: list[int] = field(default_factory=list)
    failed: list[FailedAttempt] = field(default_factory=list)


class WebhookDelivery:
    """Delivers to one subscription, at least once, in order for each stream; of several processes, only one does.

    Args:
        subscription: may be replaced by a changed one with the same id.
        give_up_after: age at which a delivery becomes a dead letter.
    """

    def __init__(
        self,
        subscription: WebhookSubscription,
        *,
        outbox: WebhookOutbox,
        store: WebhookStore,
        sender: WebhookSender,
        give_up_after: timedelta,
    ) -> None:
        self.subscription = subscription
        self.delivered, self.failed = 0, 0  # attempts since the start of the program
        self._outbox, self._store, self._sender = outbox, store, sender
        self._give_up_after = give_up_after
        self._results = _Results()
        self._blocked: dict[str, datetime] = {}  # time (UTC) of the next attempt, by source
        self._pause: FailedAttempt | None = None  # of the whole receiver
        self._looked_at = -float("inf")
        self._failing = self._is_claimed = False
        self._complaint = ""  # about the database, logged once
        self._idle = threading.Event()
        self._wakes = 0
        self._job = PacedJob(f"webhook {subscription.id}", self._deliver)

    def start(self) -> None:
        """Begin to deliver."""
        self._job.start()

    def wake(self) -> None:
        """Look for deliveries at once."""
        self._wakes += 1
        self._idle.clear()
        self._job.wake()

    def wait(self, *, timeout: float) -> bool:
        """Wait until nothing is due, or for the time (seconds, wall clock); returns whether nothing is due."""
        return self._idle.wait(timeout)

    def stop(self, *, timeout: float) -> bool:
        """Stop after the running request; returns whether the thread ended in time."""
        has_ended = self._job.stop(timeout=timeout)
        if has_ended:
            self._sender.close()
            self._outbox.release(self.subscription.id)
        return has_ended

    def _deliver(self) -> float:
        wakes = self._wakes
        try:
            self._settle()
            if not self.subscription.enabled or not self._claim():
                self._rest(wakes)
                return LOOK_INTERVAL
            self._look()
            sent = 0 if self._pause else self._send_next()
            self._settle()
            self._complaint = ""
        except StoreError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                _log.warning("webhook %s waits for the database: %s", self.subscription.id, error)
            return LOOK_INTERVAL
        if sent:
            return 0.0
        self._rest(wakes)
        waits = [self._pause.next_at] if self._pause else list(self._blocked.values())
        now = datetime.now(UTC)
        return min([LOOK_INTERVAL, *((moment - now).total_seconds() for moment in waits)])

    def _claim(self) -> bool:
        """Whether this process delivers; what another process has recorded until then is read anew."""
        was_claimed, self._is_claimed = self._is_claimed, self._outbox.claim(self.subscription.id)
        if self._is_claimed and not was_claimed:
            self._looked_at = -float("inf")
        return self._is_claimed

    def _rest(self, wakes: int) -> None:
        """Nothing was due at the start of a call; it may be since, if the job was woken during the call."""
        if wakes == self._wakes:
            self._idle.set()

    def _look(self) -> None:
        """End the pauses that are over; every two seconds also those that another process ended."""
        now = datetime.now(UTC)
        if self._pause is not None and not is_later(self._pause.next_at, now):
            self._pause = None
        self._blocked = {source: moment for source, moment in self._blocked.items() if is_later(moment, now)}
        if time.monotonic() - self._looked_at < LOOK_INTERVAL:
            return
        heads = self._outbox.heads(self.subscription.id)
        self._looked_at = time.monotonic()
        waits = {head.source: head.next_at for head in heads if head.next_at and is_later(head.next_at, now)}
        self._blocked = waits
        if self._pause is not None and self._pause.next_at not in waits.values():
            self._pause = None

    def _send_next(self) -> int:
        """Send the oldest deliveries, each stream's until its first failure; returns the number of attempts."""
        sent, now, settled_at = 0, datetime.now(UTC), time.monotonic()
        for delivery in self._outbox.next(self.subscription.id, without=self._blocked.keys(), limit=_AT_ONCE):
            if self._job.stopping or self._pause is not None or not self.subscription.enabled:
                break
            if delivery.source in self._blocked:
                continue
            if delivery.next_at is not None and is_later(delivery.next_at, now):
                self._blocked[delivery.source] = delivery.next_at
                continue
            if not self._outbox.is_claimed(self.subscription.id):
                break
            sent += 1
            attempt = self._sender.send(self.subscription, message_id=delivery.message_id, body=delivery.body)
            if attempt.accepted:
                self._results.delivered.append(delivery.number)
                self.delivered += 1
                self._failing = False
            else:
                self._fail(delivery, attempt)
            if time.monotonic() - settled_at > _SETTLE_INTERVAL:
                self._settle()
                settled_at = time.monotonic()
        return sent

    def _fail(self, delivery: Delivery, attempt: DeliveryAttempt) -> None:
        """Stop the stream, or the whole subscription if the receiver is down."""
        self.failed += 1
        pause = timedelta(seconds=pause_after(delivery.attempts + 1, retry_after=attempt.retry_after))
        failure = FailedAttempt(number=delivery.number, error=attempt.error, next_at=datetime.now(UTC) + pause)
        self._results.failed.append(failure)
        self._blocked[delivery.source] = failure.next_at
        if attempt.concerns_all:
            self._pause = failure
        self._settle()
        self._react(delivery, attempt)

    def _settle(self) -> None:
        """Write the results of the last attempts; until that succeeds, nothing more is sent."""
        if self._results.delivered or self._results.failed:
            self._outbox.settle(self._results.delivered, failed=self._results.failed)
            self._results = _Results()

    def _react(self, delivery: Delivery, attempt: DeliveryAttempt) -> None:
        """Disable a subscription that is gone, give up what is too old, and log the first failure."""
        title, now = self.subscription.title, datetime.now(UTC)
        if attempt.status == GONE:
            why = "the receiver answered 410 Gone"
            with suppress(UsageError):  # it was removed meanwhile
                self.subscription = self._store.disable(self.subscription.id, why=why)
            count = self._outbox.give_up(
                self.subscription.id, why=f"{why}: the webhook was disabled", queued_before=now
            )
            _log.warning("webhook %s is disabled, %s; %d events are dead letters", title, why, count)
            return
        too_old = now - self._give_up_after
        if delivery.attempts + 1 >= FEWEST_ATTEMPTS and delivery.queued_at <= too_old:
            source = None if attempt.concerns_all else delivery.source
            count = self._outbox.give_up(self.subscription.id, why=attempt.error, source=source, queued_before=too_old)
            _log.warning("webhook %s: %d events are dead letters (%s)", title, count, attempt.error)
        elif not self._failing:
            self._failing = True
            _log.warning("webhook %s did not accept an event, it is sent again: %s", title, attempt.error)
