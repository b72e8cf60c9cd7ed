"""The webhooks on the page System, without a browser."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from support.visitors import token_of
from support.webhook_receiver import Answer, Receiver, receiving

from monitor.server import service
from monitor.server.auth.user import Role
from monitor.server.notify.webhooks.outbox import NewDelivery, WebhookOutbox
from monitor.server.notify.webhooks.store import WebhookStore
from monitor.server.service import MonitorService
from monitor.settings import Settings, WebhookSettings

PROGRAM = """
from monitor.dashboard.pages.webhooks import show_webhooks
show_webhooks()
"""


@pytest.fixture(autouse=True)
def _near(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest has no browser and no client address."""
    monkeypatch.setattr(type(st.context), "ip_address", None)


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[MonitorService]:
    settings = Settings.model_validate({"evidence": {"folder": tmp_path}, "webhooks": {"private_networks": True}})
    opened = MonitorService.open(settings)
    service.install(opened)
    yield opened
    service.install(None)
    opened.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def run(own_service: MonitorService) -> Callable[..., AppTest]:
    def run_for(role: Role = Role.ADMIN) -> AppTest:
        app = AppTest.from_string(PROGRAM, default_timeout=60)
        app.session_state["token"] = token_of(own_service, role, name="ada")
        return app.run()

    return run_for


def store_of(own_service: MonitorService) -> WebhookStore:
    return WebhookStore(own_service.archive.store.database, WebhookSettings(private_networks=True))


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception
    return app


def actions(own_service: MonitorService) -> list[str]:
    return [entry.action for entry in own_service.audit.last(10)]


def test_a_webhook_is_added_and_its_secret_shown_once(
    own_service: MonitorService, run: Callable[..., AppTest], receiver: Receiver
) -> None:
    app = run()
    assert "No webhook yet" in app.markdown[0].value
    app.text_input(key="webhook-url").set_value(receiver.url)
    app.text_input(key="webhook-name").set_value("*newsroom*")
    app.multiselect(key="webhook-labels").set_value(["LIKELY_FAKE"])
    app.slider(key="webhook-probability").set_value(80)
    press(app, "webhook-submit")
    (one,) = store_of(own_service).all()
    assert (one.name, one.filters.min_probability, [str(label) for label in one.filters.labels]) == (
        "*newsroom*",
        0.8,
        ["LIKELY_FAKE"],
    )
    assert app.code[0].value == one.secret
    assert r"\*newsroom\*" in app.success[0].value
    assert list(app.table[0].value["state"]) == ["enabled"]
    app.run()
    assert not app.code, "it is not shown again"
    assert actions(own_service) == ["webhook added"]
    assert own_service.audit.last(1)[0].person == "ada"


def test_an_invalid_address_is_one_sentence(own_service: MonitorService, run: Callable[..., AppTest]) -> None:
    app = run()
    app.text_input(key="webhook-url").set_value("http://169.254.169.254/hush")
    press(app, "webhook-submit")
    assert "never used" in app.error[0].value
    assert "hush" not in app.error[0].value
    assert store_of(own_service).all() == []


def test_the_test_button_shows_the_answer(
    own_service: MonitorService, run: Callable[..., AppTest], receiver: Receiver
) -> None:
    store_of(own_service).add(receiver.url)
    app = press(run(), "webhook-test")
    assert "accepted the test" in app.success[0].value
    assert receiver.received[0].message["type"] == "webhook_test"
    receiver.answer = lambda _: Answer(503)
    press(app, "webhook-test")
    assert "HTTP 503" in app.error[0].value
    assert actions(own_service) == ["webhook tested", "webhook tested"]


def test_a_webhook_is_disabled_enabled_and_removed(
    own_service: MonitorService, run: Callable[..., AppTest], receiver: Receiver
) -> None:
    one = store_of(own_service).add(receiver.url)
    app = press(run(), "webhook-disable")
    assert not store_of(own_service).find(one.id).enabled
    assert list(app.table[0].value["state"]) == [r"disabled\: an administrator disabled it"]
    press(app, "webhook-enable")
    assert store_of(own_service).find(one.id).enabled
    press(app, "webhook-remove")
    assert store_of(own_service).all() == []
    assert actions(own_service) == ["webhook removed", "webhook enabled", "webhook disabled"]


def test_dead_letters_are_shown_and_retried(
    own_service: MonitorService, run: Callable[..., AppTest], receiver: Receiver
) -> None:
    one, outbox = store_of(own_service).add(receiver.url), WebhookOutbox(own_service.archive.store.database)
    outbox.add(
        [
            NewDelivery(
                webhook=one.id,
                source="rtsp://cam",
                message_id="msg_1",
                type="label_changed",
                body="{}",
                created_at=datetime.now(UTC),
            )
        ]
    )
    app = run()
    assert len(app.table) == 1, "it waits: no dead letter"
    outbox.give_up(one.id, why="HTTP 500", queued_before=datetime.now(UTC))
    app.run()
    assert list(app.table[1].value["error"]) == ["HTTP 500"]
    press(app, "webhook-retry")
    assert "1 event queued" in app.success[0].value
    assert len(app.table) == 1
    assert outbox.heads(one.id)


def test_a_user_whose_role_was_lowered_changes_nothing(
    own_service: MonitorService, run: Callable[..., AppTest], receiver: Receiver
) -> None:
    one = store_of(own_service).add(receiver.url)
    app = run(Role.REVIEWER)
    for key in ("webhook-test", "webhook-disable", "webhook-remove", "webhook-submit"):
        press(app, key)
        assert "needs the role admin" in app.toast[0].value
    assert store_of(own_service).all() == [one]
    assert receiver.received == []
