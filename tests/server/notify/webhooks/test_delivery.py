"""The thread of one subscription, with a real receiver and a real database."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from support.waiting import until
from support.webhook_receiver import Answer, Received, Receiver

from monitor.errors import StoreError
from monitor.server.notify.webhooks import backoff
from monitor.server.notify.webhooks import delivery as module
from monitor.server.notify.webhooks.delivery import WebhookDelivery
from monitor.server.notify.webhooks.outbox import DeliveryState, FailedAttempt, WebhookOutbox
from monitor.server.notify.webhooks.sender import WebhookSender
from monitor.server.notify.webhooks.store import WebhookStore
from monitor.settings import WebhookSettings

Queue = Callable[..., list[int]]


class Bench:
    """A subscription to a receiver, and its thread."""

    def __init__(
        self, receiver: Receiver, store: WebhookStore, outbox: WebhookOutbox, settings: WebhookSettings
    ) -> None:
        self.receiver, self.outbox = receiver, outbox
        self.subscription = store.add(receiver.url)
        self.id = self.subscription.id
        self.delivery = WebhookDelivery(
            self.subscription,
            outbox=outbox,
            store=store,
            sender=WebhookSender(settings),
            give_up_after=timedelta(hours=24),
        )

    def bodies(self, source: str) -> list[int]:
        return [one.message["place"] for one in self.receiver.accepted if one.message["source"] == source]

    def count(self, state: DeliveryState) -> int:
        return self.outbox.counts().get(self.id, {}).get(state, 0)

    def is_done(self, delivered: int) -> bool:
        return self.count(DeliveryState.DELIVERED) == delivered


@pytest.fixture
def bench(receiver: Receiver, store: WebhookStore, outbox: WebhookOutbox, private: WebhookSettings) -> Iterator[Bench]:
    bench = Bench(receiver, store, outbox, private)
    yield bench
    assert bench.delivery.stop(timeout=30)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses from 10 to 50 ms."""
    monkeypatch.setattr(backoff, "SHORTEST", 0.01)
    monkeypatch.setattr(backoff, "LONGEST", 0.05)


def test_everything_that_waits_is_delivered_in_order(bench: Bench, waiting: Queue) -> None:
    waiting(bench.id, source="a", count=45), waiting(bench.id, source="b", count=3)
    bench.delivery.start()
    until(lambda: bench.is_done(48))
    waiting(bench.id, source="c")
    bench.delivery.wake()
    until(lambda: bench.is_done(49))
    assert bench.bodies("a") == list(range(45))
    assert bench.bodies("b") == list(range(3))
    assert all(one.is_signed_with(bench.subscription.secret) for one in bench.receiver.received)
    assert (bench.delivery.delivered, bench.delivery.failed) == (49, 0)
    assert bench.delivery.wait(timeout=10)


def test_a_refused_event_is_sent_again_with_its_id_and_a_new_time(
    bench: Bench, waiting: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "SHORTEST", 1.2)
    bench.receiver.answer = lambda _: Answer(500 if len(bench.receiver.received) == 1 else 204)
    waiting(bench.id, count=2)
    bench.delivery.start()
    until(lambda: bench.is_done(2))
    refused, accepted, second = bench.receiver.received
    assert refused.id == accepted.id != second.id
    assert int(accepted.headers["webhook-timestamp"]) > int(refused.headers["webhook-timestamp"])
    assert accepted.at - refused.at >= 1.2
    assert accepted.is_signed_with(bench.subscription.secret)
    assert bench.outbox.last(2)[1].attempts == 2


@pytest.mark.usefixtures("quick")
def test_a_message_that_is_never_accepted_holds_up_its_own_stream_only(bench: Bench, waiting: Queue) -> None:
    bench.receiver.answer = lambda one: Answer(400 if one.message == {"source": "a", "place": 1} else 204)
    waiting(bench.id, source="a", count=3), waiting(bench.id, source="b", count=30)
    bench.delivery.start()
    until(lambda: bench.is_done(31))
    assert bench.bodies("a") == [0]
    assert bench.bodies("b") == list(range(30))


def test_a_receiver_that_is_down_is_asked_once_for_all_streams(bench: Bench, waiting: Queue) -> None:
    bench.receiver.answer = lambda _: Answer(503, {"Retry-After": "900"})
    for source in "abc":
        waiting(bench.id, source=source)
    bench.delivery.start()
    until(lambda: bench.delivery.failed)
    assert bench.delivery.wait(timeout=30)
    assert len(bench.receiver.received) == 1
    (pause,) = [one.next_at for one in bench.outbox.heads(bench.id) if one.next_at]
    assert 840 < (pause - datetime.now(UTC)).total_seconds() <= 900, "as long as the receiver asked for"
    waiting(bench.id, source="d")
    bench.delivery.wake()
    assert bench.delivery.wait(timeout=30)
    assert len(bench.receiver.received) == 1
    bench.receiver.answer = lambda _: Answer()
    assert bench.outbox.retry(webhook=bench.id) == 4
    until(lambda: bench.is_done(4))


def test_410_disables_the_subscription_and_keeps_its_events_as_dead_letters(
    bench: Bench, waiting: Queue, store: WebhookStore
) -> None:
    bench.receiver.answer = lambda _: Answer(410)
    waiting(bench.id, source="a", count=3), waiting(bench.id, source="b")
    bench.delivery.start()
    until(lambda: bench.count(DeliveryState.DEAD) == 4)
    assert len(bench.receiver.received) == 1
    assert store.find(bench.id).disabled_because == "the receiver answered 410 Gone"
    waiting(bench.id, source="a")
    bench.delivery.wake()
    assert bench.delivery.wait(timeout=30)
    assert len(bench.receiver.received) == 1, "a disabled subscription receives nothing"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("status", "dead"), [(400, 2), (503, 3)])
def test_after_a_day_and_ten_attempts_events_are_dead_letters(
    bench: Bench, waiting: Queue, monkeypatch: pytest.MonkeyPatch, status: int, dead: int
) -> None:
    bench.delivery._give_up_after = timedelta(0)
    bench.receiver.answer = lambda one: Answer(204 if one.message["source"] == "new" else status)
    waiting(bench.id, source="a", count=2), waiting(bench.id, source="b")
    if status == 400:
        bench.receiver.answer = lambda one: Answer(400 if one.message["source"] == "a" else 204)
    bench.delivery.start()
    until(lambda: bench.count(DeliveryState.DEAD) == dead)
    tried = [one for one in bench.receiver.received if one.message == {"source": "a", "place": 0}]
    assert len(tried) == module.FEWEST_ATTEMPTS
    letters = bench.outbox.last(10, state=DeliveryState.DEAD)
    assert {one.error for one in letters} == {f"HTTP {status}"}
    waiting(bench.id, source="new")
    bench.delivery.wake()
    until(lambda: bench.count(DeliveryState.DELIVERED) == 4 - dead)


def test_results_of_a_slow_receiver_are_written_meanwhile(
    bench: Bench, waiting: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SETTLE_INTERVAL", 0.0)
    bench.receiver.answer = lambda _: Answer(wait=0.0 if len(bench.receiver.received) < 3 else 1.0)
    waiting(bench.id, count=4)
    bench.delivery.start()
    until(lambda: bench.count(DeliveryState.DELIVERED) == 2)
    assert len(bench.receiver.received) < 4


@pytest.mark.usefixtures("quick")
def test_ten_attempts_alone_give_nothing_up(bench: Bench, waiting: Queue) -> None:
    bench.receiver.answer = lambda _: Answer(204 if len(bench.receiver.received) > 20 else 500)
    waiting(bench.id)
    bench.delivery.start()
    until(lambda: bench.is_done(1))


def test_nothing_is_sent_twice_while_the_database_does_not_answer(
    bench: Bench, waiting: Queue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LOOK_INTERVAL", 0.02)
    failures, settle = iter(range(5)), bench.outbox.settle

    def slow(delivered: list[int], *, failed: list[FailedAttempt]) -> None:
        if next(failures, None) is not None:
            raise StoreError("the database is locked")
        settle(delivered, failed=failed)

    monkeypatch.setattr(bench.outbox, "settle", slow)
    waiting(bench.id, count=3)
    bench.delivery.start()
    until(lambda: bench.is_done(3))
    assert len(bench.receiver.received) == 3
    assert caplog.text.count("waits for the database: the database is locked") == 1


def test_stopping_waits_for_the_running_request_and_keeps_the_rest(bench: Bench, waiting: Queue) -> None:
    def slow(_: Received) -> Answer:
        return Answer(wait=0.3)

    bench.receiver.answer = slow
    waiting(bench.id, count=5)
    bench.delivery.start()
    until(lambda: bench.receiver.received)
    assert bench.delivery.stop(timeout=30)
    delivered = bench.count(DeliveryState.DELIVERED)
    assert delivered == len(bench.receiver.received) < 5
    assert bench.count(DeliveryState.WAITING) == 5 - delivered
