"""``notifications test``: what each target answered."""

import json
from collections.abc import Callable, Iterator

import pytest
from support.notification_receiver import NotificationReceiver, receiving

SECRET = "hush-hush"  # noqa: S105 - a test's own


@pytest.fixture
def receiver() -> Iterator[NotificationReceiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def targets(receiver: NotificationReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that answers, and one where nobody does."""
    addresses = f"json://{receiver.address}\njson://ada:{SECRET}@127.0.0.1:9/{SECRET}"
    monkeypatch.setenv("DEEPFAKE_MONITOR_NOTIFICATIONS__TARGETS", addresses)


def test_every_target_is_named_with_its_answer(cli: Callable, receiver: NotificationReceiver, targets: None) -> None:
    said = cli("notifications", "test")
    first, second = said.out.splitlines()
    assert first == "target 1 (JSON): the service took the message"
    assert second.startswith("target 2 (JSON): not delivered: A Connection error occurred")
    assert said.code == 1
    assert SECRET not in said.out + said.err
    assert receiver.titles == ["Test of deepfake-monitor"]
    assert receiver.picture() is not None


def test_a_program_reads_json(cli: Callable, receiver: NotificationReceiver, targets: None) -> None:
    said = cli("notifications", "test", "--json", "--set", f"notifications.targets=json://{receiver.address}")
    assert (said.code, json.loads(said.out)) == (0, [{"target": "target 1 (JSON)", "delivered": True, "reason": ""}])
    said = cli("notifications", "test", "--json", "--set", "notifications.pictures=false")
    assert [one["delivered"] for one in json.loads(said.out)] == [True, False]
    assert receiver.picture() is None


def test_without_targets_nothing_can_be_tested(cli: Callable) -> None:
    said = cli("notifications", "test")
    assert said.code == 2
    assert "there are no targets: set notifications.targets, for example to ntfy://ntfy.sh/my-topic" in said.err


def test_an_address_that_nobody_knows_is_a_usage_error(cli: Callable) -> None:
    said = cli("notifications", "test", "--set", f"notifications.targets=nope://{SECRET}")
    assert said.code == 2
    assert "Apprise does not understand address 1 (nope://...)" in said.err
    assert SECRET not in said.err
