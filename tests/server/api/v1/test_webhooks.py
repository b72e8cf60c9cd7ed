"""``/webhooks``"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient
from support.api_client import api_client
from support.webhook_receiver import Answer, Receiver, receiving

from monitor.server.auth.user import Role
from monitor.server.notify.webhooks.outbox import NewDelivery, WebhookOutbox
from monitor.server.notify.webhooks.subscription import DEFAULT_TYPES
from monitor.server.service import MonitorService
from monitor.settings import WebhookSettings


@pytest.fixture
def client(api: MonitorService) -> TestClient:
    api.settings = api.settings.model_copy(update={"webhooks": WebhookSettings(private_networks=True)})
    return api_client(api, Role.ADMIN, scopes=["webhooks"])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def create(client: TestClient, url: str, **values: Any) -> dict[str, Any]:
    answer = client.post("/webhooks", json={"url": url} | values)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_webhook_is_created_read_changed_and_removed(
    api: MonitorService, client: TestClient, receiver: Receiver
) -> None:
    filters = {"streams": ["Door"], "labels": ["LIKELY_FAKE"], "min_probability": 0.9}
    made = create(client, f"{receiver.url}?key=hush", name="newsroom", filters=filters)
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert (made["types"], made["enabled"]) == (list(DEFAULT_TYPES), True)
    assert made["filters"] == {**filters, "min_confidence": None}
    assert made["deliveries"] == {"waiting": 0, "delivered": 0, "dead": 0}
    path = f"/webhooks/{made['id']}"
    read = client.get(path)
    assert read.json() == made
    assert client.get(path, headers={"If-None-Match": read.headers["etag"]}).status_code == 304
    assert client.get("/webhooks").json() == {"items": [made], "next": None}
    changed = client.patch(path, json={"enabled": False}).json()
    assert (changed["enabled"], changed["disabled_because"]) == (False, "an administrator disabled it")
    assert client.patch(path, json={"enabled": True}).json() == made
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    entries = api.audit.last(10)
    assert [entry.action.removeprefix("webhook ") for entry in entries] == ["removed", "enabled", "disabled", "added"]
    assert {entry.person for entry in entries} == {"key robot"}
    assert "hush" not in read.text + str(entries)


def test_the_location_leads_to_the_webhook(client: TestClient, receiver: Receiver) -> None:
    answer = client.post("/webhooks", json={"url": receiver.url})
    assert client.get(f"/{answer.headers['location']}").json()["id"] == answer.json()["id"]
    assert answer.headers["cache-control"] == "private, no-store"


def test_a_test_message_tells_the_answer(client: TestClient, receiver: Receiver) -> None:
    made = create(client, receiver.url)
    answer = client.post(f"/webhooks/{made['id']}/test", json={}).json()
    assert (answer["accepted"], answer["status"], answer["error"]) == (True, 204, "")
    assert receiver.received[0].is_signed_with(made["secret"])
    receiver.answer = lambda _: Answer(302, {"Location": "http://169.254.169.254/"})
    answer = client.post(f"/webhooks/{made['id']}/test", json={}).json()
    assert (answer["accepted"], answer["status"]) == (False, 302)


def test_dead_letters_are_read_in_pages_and_retried(
    api: MonitorService, client: TestClient, receiver: Receiver
) -> None:
    made, other = create(client, receiver.url), create(client, receiver.url)
    outbox = WebhookOutbox(api.archive.store.database)
    for webhook in (made["id"], other["id"]):
        new = NewDelivery(
            webhook=webhook, source="cam", message_id="m", type="label_changed", body="{}", created_at=datetime.now(UTC)
        )
        outbox.add([new] * 3)
        outbox.give_up(webhook, why="HTTP 500", queued_before=datetime.now(UTC))
    path = f"/webhooks/{made['id']}"
    first = client.get(f"{path}/deliveries", params={"state": "dead", "limit": 2}).json()
    second = client.get(f"{path}/deliveries", params={"state": "dead", "cursor": first["next"]}).json()
    assert [one["number"] for one in first["items"] + second["items"]] == [3, 2, 1]
    assert second["next"] is None
    assert {one["error"] for one in first["items"]} == {"HTTP 500"}
    assert client.get(path).json()["deliveries"]["dead"] == 3
    assert client.post(f"{path}/retry", json={"numbers": [1, 4]}).json() == {"queued": 1}, "4 is of the other one"
    assert client.post(f"{path}/retry", json={}).json() == {"queued": 3}
    assert client.get(f"{path}/deliveries", params={"state": "dead"}).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"url": "http://169.254.169.254/"}, 422),
        ({"url": "ftp://127.0.0.1/"}, 422),
        ({"url": "http://127.0.0.1/", "types": []}, 422),
        ({"url": "http://127.0.0.1/", "types": ["frame_analysed"]}, 422),
        ({"url": "http://127.0.0.1/", "filters": {"min_probability": 2}}, 422),
        ({"url": "http://127.0.0.1/", "secret": "mine"}, 422),
    ],
)
def test_an_invalid_webhook_is_a_problem(client: TestClient, body: dict[str, Any], status: int) -> None:
    answer = client.post("/webhooks", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/webhooks").json()["items"] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/webhooks/0123abcd"),
        ("PATCH", "/webhooks/0123abcd"),
        ("DELETE", "/webhooks/0123abcd"),
        ("POST", "/webhooks/0123abcd/test"),
        ("GET", "/webhooks/0123abcd/deliveries"),
        ("POST", "/webhooks/0123abcd/retry"),
    ],
)
def test_an_unknown_webhook_is_404(client: TestClient, method: str, path: str) -> None:
    body = {"enabled": True} if method == "PATCH" else {} if method == "POST" else None
    answer = client.request(method, path, json=body)
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:deepfake-monitor:webhook-not-found"


def test_only_administrators_with_the_scope_may_ask(api: MonitorService) -> None:
    assert api_client(api, Role.REVIEWER).get("/webhooks").status_code == 403
    assert api_client(api, Role.ADMIN, scopes=["flags"]).get("/webhooks").status_code == 403
    assert api_client(api, None).get("/webhooks").status_code == 401


def test_a_change_that_cannot_be_audited_is_not_made(
    client: TestClient, receiver: Receiver, break_audit: Callable[[], None]
) -> None:
    made = create(client, receiver.url)
    del made["secret"]
    break_audit()
    path = f"/webhooks/{made['id']}"
    assert client.post("/webhooks", json={"url": receiver.url}).status_code == 503
    assert client.patch(path, json={"enabled": False}).status_code == 503
    assert client.delete(path).status_code == 503
    assert client.get("/webhooks").json()["items"] == [made]
