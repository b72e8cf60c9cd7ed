"""The thread of one subscription: it sends what waits, in order for each stream, with pauses after failures."""

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from monitor.errors import StoreError, UsageError
from monitor.runtime import PacedJob
from monitor.server.notify.webhooks.backoff import pause_after
from monitor.server.notify.webhooks.outbox import Delivery, FailedAttempt, WebhookOutbox
from monitor.server.notify.webhooks.sender import GONE, DeliveryAttempt, WebhookSender
from monitor.server.notify.webhooks.store import WebhookStore
from monitor.server.notify.webhooks.subscription import WebhookSubscription

LOOK_INTERVAL: Final = 2.0  # seconds (wall clock): another process may have queued deliveries
FEWEST_ATTEMPTS: Final = 10  # before a delivery is given up: the clock may have been set forward
_AT_ONCE: Final = 20  # deliveries of one stream until the next stream's turn; after a crash they may be sent twice

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Settlement:
    """The results of some attempts, until the database has them."""

    delivered: Sequence[int]
    failed: FailedAttempt | None
    postponed: Sequence[int]


class WebhookDelivery:
    """Delivers to one subscription, at least once, in order for each stream.

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
        self._unsettled: _Settlement | None = None
        self._idle = threading.Event()
        self._job = PacedJob(f"webhook {subscription.id}", self._deliver)

    def start(self) -> None:
        """Begin to deliver."""
        self._job.start()

    def wake(self) -> None:
        """Look for deliveries at once."""
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
        return has_ended

    def _deliver(self) -> float:
        try:
            self._settle()
            if not self.subscription.enabled:
                self._idle.set()
                return LOOK_INTERVAL
            now = datetime.now(UTC)
            heads = self._outbox.heads(self.subscription.id)
            due = [head for head in heads if head.is_due(now)]
            for place, head in enumerate(due):
                if self._job.stopping:
                    break
                if not self._deliver_lane(head, others=[other.number for other in due[place + 1 :]]):
                    break
        except StoreError as error:
            _log.warning("webhook %s waits for the database: %s", self.subscription.id, error)
            return LOOK_INTERVAL
        if due:
            return 0.0
        self._idle.set()
        return min([LOOK_INTERVAL, *((head.next_at - now).total_seconds() for head in heads if head.next_at)])

    def _deliver_lane(self, head: Delivery, *, others: Sequence[int]) -> bool:
        """Send the next deliveries of one stream.

        Args:
            others: numbers of the other streams' first deliveries that are due.

        Returns:
            Whether the receiver answers, so that the other streams can be tried.
        """
        delivered: list[int] = []
        failed: tuple[Delivery, DeliveryAttempt] | None = None
        for delivery in self._outbox.lane(self.subscription.id, head.source, limit=_AT_ONCE):
            if self._job.stopping:
                break
            attempt = self._sender.send(self.subscription, message_id=delivery.message_id, body=delivery.body)
            if not attempt.accepted:
                failed = delivery, attempt
                break
            delivered.append(delivery.number)
            self.delivered += 1
        if failed is None:
            self._unsettled = _Settlement(delivered, None, ())
            self._settle()
            return True
        delivery, attempt = failed
        self.failed += 1
        pause = pause_after(delivery.attempts + 1, retry_after=attempt.retry_after)
        failure = FailedAttempt(
            number=delivery.number, error=attempt.error, next_at=datetime.now(UTC) + timedelta(seconds=pause)
        )
        self._unsettled = _Settlement(delivered, failure, others if attempt.concerns_all else ())
        self._settle()
        self._react(delivery, attempt)
        return not attempt.concerns_all and attempt.status != GONE

    def _settle(self) -> None:
        """Write the results of the last attempts; until that succeeds, nothing more is sent."""
        if self._unsettled is not None:
            unsettled = self._unsettled
            self._outbox.settle(unsettled.delivered, failed=unsettled.failed, postponed=unsettled.postponed)
            self._unsettled = None

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
        elif delivery.attempts == 0:
            _log.warning("webhook %s did not accept an event, it is sent again: %s", title, attempt.error)
