"""``/keys``"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from support.api_client import api_client

from monitor.server.auth.tables import api_keys
from monitor.server.auth.user import Role
from monitor.server.service import MonitorService


def test_a_key_is_created_used_and_removed(api: MonitorService) -> None:
    admin = api_client(api, name="desk")
    expires = (datetime.now(UTC) + timedelta(days=7)).isoformat()
    wanted = {"name": "Home Assistant", "role": "viewer", "scopes": ["streams", "events"], "expires_at": expires}
    answer = admin.post("/keys", json=wanted)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "private, no-store")
    created = answer.json()
    key = created.pop("key")
    assert {name: created[name] for name in ("name", "role", "scopes")} == {
        "name": "Home Assistant",
        "role": "viewer",
        "scopes": ["streams", "events"],
    }
    robot = api_client(api, None)
    robot.headers["Authorization"] = f"Bearer {key}"
    assert robot.get("/streams").status_code == 200
    assert robot.get("/audit").status_code == 403
    listed = admin.get("/keys")
    assert key not in listed.text
    assert key[-64:] not in listed.text
    (mine, other) = listed.json()["items"]
    assert (mine["name"], other["name"]) == ("desk", "Home Assistant")
    assert other["last_used_at"] is not None
    assert admin.delete(f"/keys/{created['id']}").status_code == 204
    assert robot.get("/streams").status_code == 401
    assert admin.delete(f"/keys/{created['id']}").status_code == 404
    lines = [(line["person"], line["action"]) for line in admin.get("/audit").json()["items"]]
    assert lines == [("key desk", "key removed"), ("key desk", "key added")]
    assert key[-64:] not in admin.get("/audit").text


def test_only_the_hash_of_the_secret_is_stored(api: MonitorService) -> None:
    text = api_client(api).post("/keys", json={"name": "x"}).json()["key"]
    prefix, key_id, secret = text.split("_")
    assert prefix == "dfm"
    with api.archive.store.database.reading() as connection:
        row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).mappings().one()
    assert row["secret"] == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in str(dict(row))


def test_a_key_with_scopes_cannot_make_a_key_without(api: MonitorService) -> None:
    client = api_client(api, Role.ADMIN, scopes=["system"])
    assert client.get("/system").status_code == 200
    answer = client.post("/keys", json={"name": "more", "role": "admin"})
    assert answer.status_code == 403
    assert "all scopes" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": " "}, "printable"),
        ({"name": "a\nb"}, "printable"),
        ({"role": "root"}, "viewer"),
        ({"scopes": ["everything"]}, "streams"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "over already"),
        ({"expires_at": "9999-12-31T23:59:59-23:00"}, "too far away"),
        ({"expires_at": "2999-01-01T00:00:00"}, "timezone"),
    ],
)
def test_a_wrong_key_is_refused(api: MonitorService, change: dict[str, object], why: str) -> None:
    answer = api_client(api, name="desk").post("/keys", json={"name": "x"} | change)
    assert answer.status_code == 422
    assert why in answer.json()["detail"]
    assert [key.name for key in api.api_keys.all()] == ["desk"]


def test_a_change_that_cannot_be_audited_is_not_made(api: MonitorService, break_audit: Callable[[], None]) -> None:
    client = api_client(api, name="desk")
    (desk,) = api.api_keys.all()
    break_audit()
    assert client.post("/keys", json={"name": "x"}).status_code == 503
    assert client.delete(f"/keys/{desk.id}").status_code == 503
    assert [key.name for key in api.api_keys.all()] == ["desk"]
