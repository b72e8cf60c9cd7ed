"""The events of streams, from the observer to the receiver."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.observations import EVENTS
from support.waiting import until
from support.webhook_receiver import Answer, Receiver

from monitor.errors import StoreError
from monitor.runtime import Observer
from monitor.server.notify import CountingOutlet, OutletContext, OutletCount
from monitor.server.notify.webhooks import delivery as delivery_module
from monitor.server.notify.webhooks import outbox as outbox_module
from monitor.server.notify.webhooks import outlet as module
from monitor.server.notify.webhooks.outbox import DeliveryState, NewDelivery, WebhookOutbox
from monitor.server.notify.webhooks.outlet import WebhookOutlet
from monitor.server.notify.webhooks.store import WebhookStore
from monitor.server.notify.webhooks.subscription import DEFAULT_TYPES, WebhookFilters
from monitor.server.service import MonitorService
from monitor.settings import EvidenceSettings, Settings, WebhookSettings
from monitor.system.database import Database
from monitor.types.events import HintRaised, StreamStateChanged

DOOR = SimpleNamespace(id="1a", name="Front door", address="rtsp://ada:***@cam/live")
STATE = next(event for event in EVENTS if isinstance(event, StreamStateChanged))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_INTERVAL", 0.05)
    monkeypatch.setattr(delivery_module, "LOOK_INTERVAL", 0.05)


def opened(database: Database, settings: WebhookSettings) -> WebhookOutlet:
    return WebhookOutlet(OutletContext(settings=Settings(webhooks=settings), database=database))


@pytest.fixture
def outlet(database: Database, private: WebhookSettings) -> Iterator[WebhookOutlet]:
    outlet = opened(database, private)
    yield outlet
    outlet.close()


def emit(observer: Observer, count: int) -> None:
    for attempt in range(count):
        observer(replace(STATE, attempt=attempt, at=datetime.now(UTC)))


def attempts(receiver: Receiver) -> list[int]:
    return [one.message["data"]["attempt"] for one in receiver.accepted]


def test_every_event_of_the_chosen_types_arrives_in_order(
    outlet: WebhookOutlet, store: WebhookStore, receiver: Receiver
) -> None:
    subscription = store.add(receiver.url)
    outlet.start()
    until(lambda: outlet._deliveries)
    observer = outlet.watch(DOOR)
    for event in EVENTS:
        observer(event)
    until(lambda: len(receiver.accepted) == len(DEFAULT_TYPES))
    messages = [one.message for one in receiver.accepted]
    assert [message["type"] for message in messages] == [one.type for one in EVENTS if one.type in DEFAULT_TYPES]
    assert {message["data"]["stream_name"] for message in messages} == {"Front door"}
    assert {message["data"]["stream_id"] for message in messages} == {"1a"}
    assert all(one.is_signed_with(subscription.secret) for one in receiver.accepted)
    assert len({one.id for one in receiver.accepted}) == len(messages)


def test_each_subscription_receives_its_own_events(
    outlet: WebhookOutlet, store: WebhookStore, receiver: Receiver
) -> None:
    store.add(f"{receiver.url}/hints", types=("hint_raised",))
    store.add(f"{receiver.url}/all")
    store.add(f"{receiver.url}/elsewhere", filters=WebhookFilters(streams=("Back door",)))
    outlet.start()
    until(lambda: len(outlet._deliveries) == 3)
    observer = outlet.watch(DOOR)
    emit(observer, 1)
    observer(next(event for event in EVENTS if isinstance(event, HintRaised)))
    until(lambda: len(receiver.accepted) == 3)
    by_path = [(one.path, one.message["type"]) for one in receiver.accepted]
    assert sorted(by_path) == [
        ("/hook/all", "hint_raised"),
        ("/hook/all", "stream_state_changed"),
        ("/hook/hints", "hint_raised"),
    ]
    ids = {one.id for one in receiver.accepted if one.message["type"] == "hint_raised"}
    assert len(ids) == 1, "one event has one id"


def test_a_running_outlet_follows_changes_of_the_subscriptions(
    outlet: WebhookOutlet, store: WebhookStore, receiver: Receiver
) -> None:
    outlet.start()
    observer = outlet.watch(DOOR)
    emit(observer, 1)
    until(outlet._queue.empty)
    first = store.add(receiver.url)
    until(lambda: outlet._deliveries)
    emit(observer, 2)
    until(lambda: attempts(receiver) == [0, 1])
    store.disable(first.id, why="")
    until(lambda: not outlet._subscriptions[0].enabled)
    emit(observer, 1)
    until(outlet._queue.empty)
    store.enable(first.id)
    until(lambda: outlet._subscriptions[0].enabled)
    observer(replace(STATE, attempt=7))
    until(lambda: attempts(receiver) == [0, 1, 7])
    store.remove(first.id)
    until(lambda: not outlet._deliveries)
    emit(observer, 1)
    until(lambda: not any(thread.name == f"webhook {first.id}" for thread in threading.enumerate()))


def test_dead_letters_of_another_process_are_retried_within_seconds(
    outlet: WebhookOutlet, store: WebhookStore, outbox: WebhookOutbox, receiver: Receiver, waiting: Callable
) -> None:
    subscription = store.add(receiver.url)
    waiting(subscription.id, count=2)
    outbox.give_up(subscription.id, why="", queued_before=datetime.now(UTC))
    outlet.start()
    until(lambda: outlet._deliveries)
    outbox.retry(webhook=subscription.id)
    until(lambda: len(receiver.accepted) == 2)


def test_events_survive_the_end_of_the_server(
    database: Database, private: WebhookSettings, store: WebhookStore, outbox: WebhookOutbox, receiver: Receiver
) -> None:
    subscription = store.add(receiver.url)
    receiver.answer = lambda _: Answer(503)
    first = opened(database, private)
    first.start()
    until(lambda: first._deliveries)
    emit(first.watch(DOOR), 600)
    first.close()
    assert outbox.counts()[subscription.id] == {DeliveryState.WAITING: 600}
    receiver.answer = lambda _: Answer()
    outbox.retry()
    second = opened(database, private)
    second.start()
    until(lambda: len(receiver.accepted) == 600)
    second.close()
    assert attempts(receiver) == list(range(600))
    assert outbox.counts()[subscription.id] == {DeliveryState.DELIVERED: 600}


def test_closing_sends_the_last_events(
    database: Database, private: WebhookSettings, store: WebhookStore, receiver: Receiver
) -> None:
    store.add(receiver.url)
    outlet = opened(database, private)
    outlet.start()
    until(lambda: outlet._deliveries)
    emit(outlet.watch(DOOR), 3)
    outlet.close()
    assert attempts(receiver) == [0, 1, 2]


def test_closing_does_not_wait_for_a_receiver_that_hangs(
    database: Database, private: WebhookSettings, store: WebhookStore, receiver: Receiver
) -> None:
    store.add(receiver.url)
    receiver.answer = lambda _: Answer(wait=4.0)
    outlet = opened(database, private)
    outlet.start()
    until(lambda: outlet._deliveries)
    emit(outlet.watch(DOOR), 1)
    until(lambda: receiver.received)
    began = time.monotonic()
    outlet.close()
    assert time.monotonic() - began < 3.0
    (delivery,) = outlet._deliveries.values()
    assert delivery.stop(timeout=30)


def test_closing_does_not_wait_for_a_database_that_hangs(
    database: Database,
    private: WebhookSettings,
    store: WebhookStore,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.add(receiver.url)
    outlet = opened(database, private)
    outlet.start()
    until(lambda: outlet._deliveries)
    hanging, go = threading.Event(), threading.Event()

    def hang(_: list[NewDelivery]) -> None:
        hanging.set()
        go.wait(30)

    monkeypatch.setattr(outlet._outbox, "add", hang)
    emit(outlet.watch(DOOR), 1)
    assert hanging.wait(30)
    emit(outlet.watch(DOOR), 2)
    began = time.monotonic()
    outlet.close()
    assert time.monotonic() - began < 4.0
    assert "2 events for webhooks are lost" in caplog.text
    (delivery,) = outlet._deliveries.values()
    assert delivery.stop(timeout=30)
    go.set()
    assert outlet._job.stop(timeout=30)


def test_an_outlet_that_was_never_started_can_be_closed(database: Database, private: WebhookSettings) -> None:
    opened(database, private).close()


def test_a_stream_never_waits_and_lost_events_are_counted_and_logged_once(
    database: Database,
    private: WebhookSettings,
    store: WebhookStore,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.add(receiver.url)
    outlet = opened(database, private.model_copy(update={"queue_size": 10}))
    outlet.start()
    until(lambda: outlet._deliveries)
    locked, real = threading.Event(), outlet._outbox.add

    def slow(new: list[NewDelivery]) -> None:
        locked.wait(30)
        real(new)

    monkeypatch.setattr(outlet._outbox, "add", slow)
    observer = outlet.watch(DOOR)
    emit(observer, 1)
    until(outlet._queue.empty)
    began = time.monotonic()
    emit(observer, 30)
    assert time.monotonic() - began < 1.0
    locked.set()
    until(lambda: len(receiver.accepted) == 11)
    outlet.close()
    assert attempts(receiver) == [0, *range(10)], "the oldest are kept"
    assert next(iter(outlet.counts())) == OutletCount(outlet="webhooks", lost=20)
    reports = [record for record in caplog.records if "events are lost" in record.message]
    assert len(reports) == 1
    assert "webhooks.queue_size" in reports[0].message


def test_events_wait_while_the_database_does_not_answer(
    outlet: WebhookOutlet, store: WebhookStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(receiver.url)
    outlet.start()
    until(lambda: outlet._deliveries)
    failures, real = iter(range(4)), outlet._outbox.add

    def failing(new: list[NewDelivery]) -> None:
        if new and next(failures, None) is not None:
            raise StoreError("the database is locked")
        real(new)

    monkeypatch.setattr(outlet._outbox, "add", failing)
    emit(outlet.watch(DOOR), 5)
    until(lambda: attempts(receiver) == list(range(5)))
    assert outlet.lost == 0


def test_events_before_the_first_look_at_the_subscriptions_are_not_lost(
    outlet: WebhookOutlet, store: WebhookStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(receiver.url)
    failures, real = iter(range(3)), outlet._store.all

    def failing() -> object:
        if next(failures, None) is not None:
            raise StoreError("the database is locked")
        return real()

    monkeypatch.setattr(outlet._store, "all", failing)
    observer = outlet.watch(DOOR)
    emit(observer, 1)
    outlet.start()
    until(lambda: attempts(receiver) == [0])


def test_an_event_without_a_form_in_json_is_counted_and_the_next_one_arrives(
    outlet: WebhookOutlet, store: WebhookStore, receiver: Receiver
) -> None:
    store.add(receiver.url)
    outlet.start()
    until(lambda: outlet._deliveries)
    observer = outlet.watch(DOOR)
    observer(replace(STATE, reason=object()))  # type: ignore[arg-type]
    observer(STATE)
    until(lambda: len(receiver.accepted) == 1)
    assert outlet.lost == 1


def test_old_deliveries_are_deleted(
    database: Database, private: WebhookSettings, store: WebhookStore, outbox: WebhookOutbox, waiting: Callable
) -> None:
    subscription = store.add("http://127.0.0.1:9/")
    outbox.settle(waiting(subscription.id, count=3))
    outlet = opened(database, private.model_copy(update={"keep_delivered_hours": 0.0}))
    outlet.start()
    until(lambda: not outbox.counts())
    outlet.close()


def test_many_old_deliveries_are_deleted_without_a_pause(
    database: Database,
    private: WebhookSettings,
    store: WebhookStore,
    outbox: WebhookOutbox,
    waiting: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for place in (module, outbox_module):
        monkeypatch.setattr(place, "DELETED_AT_ONCE", 3)
    monkeypatch.setattr(module, "LOOK_INTERVAL", 60.0)
    outbox.settle(waiting(store.add("http://127.0.0.1:9/").id, count=10))
    outlet = opened(database, private.model_copy(update={"keep_delivered_hours": 0.0}))
    outlet.start()
    until(lambda: not outbox.counts())
    until(lambda: outlet._tidied_at > 0)
    outlet.close()


def test_work_is_counted_by_subscription(
    outlet: WebhookOutlet, store: WebhookStore, outbox: WebhookOutbox, receiver: Receiver, waiting: Callable
) -> None:
    subscription = store.add(receiver.url)
    waiting(subscription.id, source="dead")
    outbox.give_up(subscription.id, why="", queued_before=datetime.now(UTC))
    receiver.answer = lambda _: Answer(204 if len(receiver.received) < 3 else 503)
    outlet.start()
    until(lambda: outlet._deliveries)
    emit(outlet.watch(DOOR), 4)
    expected = OutletCount(outlet="webhooks", target=subscription.id, delivered=2, failed=1, waiting=2, dead=1)
    until(lambda: list(outlet.counts()) == [OutletCount(outlet="webhooks"), expected])
    assert isinstance(outlet, CountingOutlet)


def test_the_service_sends_the_events_of_its_streams(
    tmp_path: Path, settings: Settings, private: WebhookSettings, receiver: Receiver
) -> None:
    ours = settings.model_copy(update={"evidence": EvidenceSettings(folder=tmp_path / "kept"), "webhooks": private})
    service = MonitorService.open(ours)
    WebhookStore(service.archive.store.database, private).add(receiver.url)
    service.begin()
    try:
        (outlet,) = (outlet for outlet in service.outlets if isinstance(outlet, WebhookOutlet))
        until(lambda: outlet._deliveries)
        stream = service.add("rtsp://ada:hush@127.0.0.1:9/live", name="Door", trusted=True)
        until(lambda: receiver.accepted)
        service.remove(stream.id)
    finally:
        service.close()
    message = receiver.accepted[0].message
    assert message["type"] == "stream_state_changed"
    assert (message["data"]["stream_id"], message["data"]["stream_name"]) == (stream.id, "Door")
    assert "hush" not in json.dumps([one.message for one in receiver.received])
