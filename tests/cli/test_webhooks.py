"""``webhooks``: subscriptions, test messages, dead letters."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.webhook_receiver import Answer, Receiver, receiving

from monitor.flags.archive import FlagArchive
from monitor.server.auth.audit import AuditLog
from monitor.server.notify.webhooks.outbox import DeliveryState, NewDelivery, WebhookOutbox
from monitor.settings import EvidenceSettings


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPFAKE_MONITOR_EVIDENCE__FOLDER", str(tmp_path / "kept"))
    monkeypatch.setenv("DEEPFAKE_MONITOR_WEBHOOKS__PRIVATE_NETWORKS", "true")
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    return tmp_path / "kept"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def bury(kept: Path, webhook: str, *, count: int) -> list[int]:
    """Make dead letters; returns their numbers."""
    with FlagArchive.open(EvidenceSettings(folder=kept)) as archive:
        outbox = WebhookOutbox(archive.store.database)
        new = [
            NewDelivery(
                webhook=webhook,
                source="rtsp://cam",
                message_id=f"msg_{place}",
                type="label_changed",
                body="{}",
                created_at=datetime.now(UTC),
            )
            for place in range(count)
        ]
        outbox.add(new)
        outbox.give_up(webhook, why="HTTP 500", queued_before=datetime.now(UTC))
        return [one.number for one in outbox.last(count, state=DeliveryState.DEAD)][::-1]


def test_a_webhook_from_its_creation_to_its_end(cli: Callable, kept: Path, receiver: Receiver) -> None:
    url = receiver.url.replace("http://", "http://ada:hush@")
    said = cli("webhooks", "add", url, "--name", "newsroom", "--type", "label_changed", "--label", "LIKELY_FAKE")
    assert said.code == 0
    webhook, secret = said.out.split()[0], said.out.split()[-1]
    assert secret.startswith("whsec_")
    assert "hush" not in said.out
    (listed,) = json.loads(cli("webhooks", "list", "--json").out)
    assert (listed["id"], listed["types"], listed["filters"]["labels"]) == (webhook, ["label_changed"], ["LIKELY_FAKE"])
    assert listed["deliveries"] == {"waiting": 0, "delivered": 0, "dead": 0}
    told = cli("webhooks", "list").out + json.dumps(listed)
    assert secret not in told
    assert "hush" not in told
    said = cli("webhooks", "test", webhook)
    assert (said.code, "accepted it: HTTP 204" in said.out) == (0, True)
    assert receiver.received[0].is_signed_with(secret)
    assert cli("webhooks", "disable", webhook).code == 0
    assert "disabled: root disabled it" in cli("webhooks", "list").out
    assert cli("webhooks", "enable", webhook).code == 0
    assert (
        cli("webhooks", "remove", webhook).out
        == f"newsroom (http://127.0.0.1:{receiver.server_port}/***) was removed\n"
    )
    assert "there are no webhooks" in cli("webhooks", "list").err
    with FlagArchive.open(EvidenceSettings(folder=kept)) as archive:
        entries = AuditLog(archive.store.database).last(10)
    assert [entry.action.removeprefix("webhook ") for entry in entries] == [
        *("removed", "enabled", "disabled", "tested", "added")
    ]
    assert all("hush" not in entry.what and webhook in entry.what for entry in entries)


def test_a_test_that_is_not_accepted_fails(cli: Callable, kept: Path, receiver: Receiver) -> None:
    receiver.answer = lambda _: Answer(418)
    webhook = cli("webhooks", "add", receiver.url).out.split()[0]
    said = cli("webhooks", "test", webhook)
    assert (said.code, "HTTP 418" in said.err) == (1, True)


def test_dead_letters_are_listed_and_retried(cli: Callable, kept: Path, receiver: Receiver) -> None:
    webhook = cli("webhooks", "add", receiver.url).out.split()[0]
    assert "no such deliveries" in cli("webhooks", "deliveries").err
    numbers = bury(kept, webhook, count=3)
    listed = json.loads(cli("webhooks", "deliveries", webhook, "--state", "dead", "--json").out)
    assert [one["number"] for one in listed] == numbers[::-1]
    assert "HTTP 500" in cli("webhooks", "deliveries").out
    assert cli("webhooks", "retry", numbers[0]).out == "1 event queued\n"
    assert cli("webhooks", "retry", "--webhook", webhook).out == "3 events queued\n"
    assert json.loads(cli("webhooks", "deliveries", "--state", "dead", "--json").out) == []
    assert cli("webhooks", "retry", "--all").code == 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("add", "http://169.254.169.254/"), "never used"),
        (("add", "https://127.0.0.1/", "--type", "frame_analysed"), "frame_analysed"),
        (("add", "https://127.0.0.1/", "--min-probability", "2"), "--min-probability"),
        (("add", "https://127.0.0.1/", "--label", "REAL"), "--label"),
        (("test", "nobody"), "there is no webhook nobody"),
        (("remove", "nobody"), "there is no webhook nobody"),
        (("enable", "nobody"), "there is no webhook nobody"),
        (("disable", "nobody"), "there is no webhook nobody"),
        (("deliveries", "nobody"), "there is no webhook nobody"),
        (("retry",), "give their numbers, or --webhook, or --all"),
        (("retry", "1", "--all"), "give their numbers, or --webhook, or --all"),
        (("retry", "--webhook", "nobody"), "there is no webhook nobody"),
    ],
)
def test_a_wrong_command_is_an_error_and_changes_nothing(
    cli: Callable, kept: Path, arguments: tuple[str, ...], why: str
) -> None:
    said = cli("webhooks", *arguments)
    assert said.code == 2
    assert why in said.err
    assert "there are no webhooks" in cli("webhooks", "list").err


def test_a_private_address_names_the_setting(cli: Callable, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPFAKE_MONITOR_WEBHOOKS__PRIVATE_NETWORKS")
    said = cli("webhooks", "add", "http://127.0.0.1:9/")
    assert (said.code, "webhooks.private_networks" in said.err) == (2, True)
