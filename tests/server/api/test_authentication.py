"""Who may ask: every path of the API, with every wrong key; and the browser's origin in the mode without sign-in."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from limits import RateLimitItemPerMinute
from starlette.testclient import WebSocketDenialResponse
from support.api_client import api_client, api_service, key_for

from monitor.server.api import limits
from monitor.server.api.authentication import Requirement
from monitor.server.api.mount import API_ROUTE, requirements
from monitor.server.auth.api_keys import SCOPES, ApiKey
from monitor.server.auth.user import Role
from monitor.server.service import MonitorService

ROUTES = sorted(requirements(), key=lambda one: one[:2])
ADDRESSES = (f"10.0.{number // 200}.{number % 200}" for number in count())  # wrong keys of one address are limited
SOME_ID = "0123456789ab"


def ask(monitor_service: MonitorService, method: str, path: str, headers: dict[str, str], *, address: str = "") -> Any:
    """The answer to a request, or to the handshake of a WebSocket; its body is no JSON, so it must not be read."""
    client = api_client(monitor_service, None, address=address or next(ADDRESSES))
    for name in ("stream_id", "key_id", "flag_id", "analysis_id", "webhook_id", "name"):
        path = path.replace(f"{{{name}}}", SOME_ID)
    assert "{" not in path, "give this parameter a value here"
    if method != "websocket":
        return client.request(method, path, headers=headers, content=b"{" if method in ("post", "patch") else None)
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect(f"ws://127.0.0.1/api/v1{path}", headers=headers),
    ):
        pass
    return refused.value


def check_refusal(answer: Any, status: int) -> None:
    found = answer.json()
    assert (answer.status_code, found["status"]) == (status, status), found
    assert answer.headers["content-type"] == "application/problem+json"
    assert (status == 401) == ("www-authenticate" in answer.headers)
    assert "dfm_" not in answer.text


def test_every_path_of_the_description_needs_a_key() -> None:
    paths = API_ROUTE.app.openapi()["paths"]  # type: ignore[attr-defined]
    described = {(path, method) for path, methods in paths.items() for method in methods}
    assert described == {(path, method) for path, method, _ in ROUTES if method != "websocket"}
    assert any(method == "websocket" for _, method, _ in ROUTES)


@pytest.mark.parametrize(("path", "method", "needs"), ROUTES, ids=[f"{method} {path}" for path, method, _ in ROUTES])
def test_a_wrong_key_is_refused(api: MonitorService, path: str, method: str, needs: Requirement) -> None:
    expired, text = api.api_keys.create("late", role=Role.ADMIN)
    removed, gone = api.api_keys.create("gone", role=Role.ADMIN)
    api.api_keys.remove(removed.id)
    other = next(scope for scope in SCOPES if scope != needs.scope)
    api.api_keys.remove(expired.id)
    late = key_for(api, needs.role, expires_at=datetime.now(UTC) + timedelta(seconds=0.05))
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YWRhOmh1c2g="},
        {"Authorization": f"Bearer {gone}"},
        {"Authorization": f"Bearer {text[:-1]}x"},
        {"Authorization": f"Bearer {key_for(api)['Authorization'][-64:]}"},
    ):
        check_refusal(ask(api, method, path, headers), 401)
    time.sleep(0.06)
    answer = ask(api, method, path, late)
    check_refusal(answer, 401)
    assert "has expired" in answer.json()["detail"]
    for role in Role:
        if role < needs.role:
            check_refusal(ask(api, method, path, key_for(api, role)), 403)
    check_refusal(ask(api, method, path, key_for(api, needs.role, scopes=[other])), 403)


@pytest.mark.parametrize(("path", "method", "needs"), ROUTES, ids=[f"{method} {path}" for path, method, _ in ROUTES])
def test_a_right_key_is_let_in(api: MonitorService, path: str, method: str, needs: Requirement) -> None:
    if path.startswith("/events"):
        return  # endless: tests/server/api/v1/test_events.py
    scopes = [needs.scope] if needs.scope else []
    answer = ask(api, method, path, key_for(api, needs.role, scopes=scopes))
    assert answer.status_code not in (401, 403, 405, 429), answer.text
    assert answer.status_code < 500 or path == "/model", answer.text


def test_a_removed_key_ends_at_once_and_a_key_of_another_process_within_seconds(
    api: MonitorService, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = api_client(api)
    assert client.get("/streams").status_code == 200
    (key,) = api.api_keys.all()
    type(api.api_keys)(api.archive.store.database).remove(key.id)  # as the command line does
    assert client.get("/streams").status_code == 200, "known for some seconds"
    monkeypatch.setattr("monitor.server.auth.api_keys._LOOK_UP_INTERVAL", -1.0)
    assert client.get("/streams").status_code == 401


def test_wrong_keys_are_limited_and_valid_ones_of_the_same_address_are_not(api: MonitorService) -> None:
    client, robot = api_client(api, None), key_for(api)  # the process does not know its key yet, as after a restart
    wrong = {"Authorization": f"Bearer dfm_{SOME_ID}_{'0' * 64}"}
    codes = [client.get("/streams", headers=wrong).status_code for _ in range(31)]
    assert codes == [401] * 30 + [429]
    assert 1 <= int(client.get("/streams", headers=wrong).headers["retry-after"]) <= 60
    assert client.get("/streams", headers=robot).status_code == 200, "another program behind the same proxy"
    assert client.get("/streams").status_code == 401
    assert api_client(api, address="10.9.9.9").get("/streams").status_code == 200


def test_the_look_ups_of_unknown_keys_are_limited(api: MonitorService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_LOOK_UPS", RateLimitItemPerMinute(3))
    looked_up: list[str] = []
    client, robot, check = api_client(api, None), key_for(api), api.api_keys.check

    def look_up(text: str) -> ApiKey:
        looked_up.append(text)
        return check(text)

    monkeypatch.setattr(api.api_keys, "check", look_up)
    wrong = {"Authorization": f"Bearer dfm_{SOME_ID}_{'0' * 64}"}
    assert client.get("/streams", headers=robot).status_code == 200
    assert [client.get("/streams", headers=wrong).status_code for _ in range(4)] == [401, 401, 429, 429]
    assert len(looked_up) == 3
    assert client.get("/streams", headers=robot).status_code == 200, "known"


class TestOpen:
    """Without a sign-in, a request without a key is an administrator's, as on the pages."""

    @pytest.fixture
    def api(self, tmp_path: Path) -> Iterator[MonitorService]:
        with api_service(tmp_path / "kept", mode="open") as monitor_service:
            yield monitor_service

    def test_this_machine_needs_no_key(self, api: MonitorService) -> None:
        client = api_client(api, None)
        assert client.get("/system").status_code == 200
        assert client.get("/system", headers={"Origin": "http://127.0.0.1"}).status_code == 200
        proxied = {"Authorization": "Basic YWRhOmh1c2g="}  # of a proxy with a password of its own
        assert client.get("/system", headers=proxied).status_code == 200
        check_refusal(client.get("/system", headers={"Authorization": "Bearer guessed"}), 401)

    @pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:81", "null", ""])
    def test_a_page_of_another_site_is_refused_on_every_path(self, api: MonitorService, origin: str) -> None:
        for path, method, _ in ROUTES:
            answer = ask(api, method, path, {"Origin": origin, "Content-Type": "application/json"}, address="127.0.0.1")
            check_refusal(answer, 403)
            assert not [name for name in answer.headers if name.startswith("access-control-")]

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
    def test_a_form_of_another_site_is_refused(self, api: MonitorService, kind: str) -> None:
        client = api_client(api, None)
        headers = {"Content-Type": kind} if kind else {}
        check_refusal(client.post("/keys", content=b'{"name": "evil"}', headers=headers), 415)
        check_refusal(client.request("DELETE", f"/keys/{SOME_ID}", headers=headers), 415)
        assert api.api_keys.all() == []

    def test_a_preflight_of_another_site_allows_nothing(self, api: MonitorService) -> None:
        headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
        answer = api_client(api, None).options("/keys", headers=headers)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control-")]

    def test_a_key_works_from_any_page_because_no_browser_adds_it(self, api: MonitorService) -> None:
        answer = api_client(api, Role.VIEWER).get("/streams", headers={"Origin": "http://desk.example"})
        assert answer.status_code == 200
        assert api_client(api, Role.VIEWER).get("/system").status_code == 403, "a key never has more than its role"

    def test_other_machines_and_foreign_names_are_refused_with_a_problem(self, api: MonitorService) -> None:
        check_refusal(api_client(api, address="192.168.7.7").get("/streams"), 403)
        check_refusal(api_client(api).get("http://evil.example/api/v1/streams"), 403)
