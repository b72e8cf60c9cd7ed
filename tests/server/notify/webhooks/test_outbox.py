"""The deliveries in the database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from monitor.server.notify.webhooks import outbox as module
from monitor.server.notify.webhooks.outbox import DeliveryState, FailedAttempt, WebhookOutbox, is_later

Queue = Callable[..., list[int]]
LATER = datetime.now(UTC) + timedelta(seconds=30)


def states(outbox: WebhookOutbox, webhook: str = "w1") -> dict[DeliveryState, int]:
    return dict(outbox.counts().get(webhook, {}))


def test_deliveries_keep_their_order(outbox: WebhookOutbox, waiting: Queue) -> None:
    waiting("w1", source="a", count=2), waiting("w2", source="a"), waiting("w1", source="b", count=2)
    found = outbox.next("w1", without=(), limit=3)
    assert [one.body for one in found] == [
        '{"source":"a","place":0}',
        '{"source":"a","place":1}',
        '{"source":"b","place":0}',
    ]
    assert {(one.attempts, one.state, one.next_at) for one in found} == {(0, DeliveryState.WAITING, None)}
    assert [one.source for one in outbox.next("w1", without=("a",), limit=3)] == ["b", "b"]
    outbox.settle([found[0].number])
    heads = outbox.heads("w1")
    assert [one.body for one in heads] == ['{"source":"a","place":1}', '{"source":"b","place":0}']
    assert states(outbox) == {DeliveryState.WAITING: 3, DeliveryState.DELIVERED: 1}


def test_a_failed_attempt_has_a_time_and_a_reason(outbox: WebhookOutbox, waiting: Queue) -> None:
    first, second, third = waiting("w1", count=3)
    outbox.settle([first], failed=[FailedAttempt(number=second, error="x" * 1000, next_at=LATER)])
    by_number = {one.number: one for one in outbox.last(10)}
    assert (by_number[first].state, by_number[first].attempts) == (DeliveryState.DELIVERED, 1)
    assert (by_number[second].attempts, by_number[second].next_at, len(by_number[second].error)) == (1, LATER, 300)
    assert (by_number[third].attempts, by_number[third].next_at) == (0, None)


def test_a_clock_that_was_set_back_does_not_stop_deliveries() -> None:
    now = datetime.now(UTC)
    assert is_later(now + timedelta(seconds=3600), now), "the longest pause"
    assert not is_later(now + timedelta(seconds=3601), now)
    assert not is_later(now, now)


def test_old_deliveries_are_given_up_and_can_be_retried(outbox: WebhookOutbox, waiting: Queue) -> None:
    old = waiting("w1", source="a", count=2)
    waiting("w1", source="b")
    between = datetime.now(UTC)
    waiting("w1", source="a")
    assert outbox.give_up("w1", why="HTTP 500", source="a", queued_before=between) == 2
    dead = outbox.last(10, webhook="w1", state=DeliveryState.DEAD)
    assert [one.number for one in dead] == old[::-1]
    assert {one.error for one in dead} == {"HTTP 500"}
    assert states(outbox) == {DeliveryState.WAITING: 2, DeliveryState.DEAD: 2}
    assert outbox.retry(numbers=[old[0]]) == 1
    (head, _) = outbox.heads("w1")
    assert (head.number, head.attempts, head.next_at) == (old[0], 0, None)
    assert head.queued_at > between, "it has its whole time again"
    assert outbox.give_up("w1", why="", queued_before=datetime.now(UTC)) == 3, "of all streams"
    assert outbox.retry(webhook="w2") == 0
    assert outbox.retry(webhook="w1") == 4


def test_a_retry_ends_pauses_and_leaves_delivered_ones(outbox: WebhookOutbox, waiting: Queue) -> None:
    first, second = waiting("w1", count=2)
    outbox.settle([first], failed=[FailedAttempt(number=second, error="", next_at=LATER)])
    assert outbox.retry() == 1
    assert outbox.heads("w1")[0].next_at is None


def test_old_rows_are_deleted_in_small_transactions(
    outbox: WebhookOutbox, waiting: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DELETED_AT_ONCE", 3)
    numbers = waiting("w1", count=6)
    outbox.settle(numbers[:4])
    outbox.give_up("w1", why="", queued_before=datetime.now(UTC))
    past, future = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(seconds=1)
    assert outbox.delete_old(delivered_before=past, dead_before=past) == 0
    assert outbox.delete_old(delivered_before=future, dead_before=past) == 3
    assert outbox.delete_old(delivered_before=future, dead_before=past) == 1
    assert states(outbox) == {DeliveryState.DEAD: 2}
    assert outbox.delete_old(delivered_before=past, dead_before=future) == 2
    waiting("disabled")
    assert outbox.delete_old(delivered_before=past, dead_before=future) == 1, "what waits for ever is no exception"


def test_a_number_is_never_used_again(outbox: WebhookOutbox, waiting: Queue) -> None:
    (first,) = waiting("w1")
    outbox.settle([first])
    future = datetime.now(UTC) + timedelta(seconds=1)
    assert outbox.delete_old(delivered_before=future, dead_before=future) == 1
    assert waiting("w1")[0] > first


def test_the_list_has_no_bodies(outbox: WebhookOutbox, waiting: Queue) -> None:
    waiting("w1")
    (one,) = outbox.last(1)
    assert "body" not in one.to_dict()
    assert "place" not in repr(one)
    assert datetime.fromisoformat(str(one.to_dict()["created_at"])) == one.created_at
