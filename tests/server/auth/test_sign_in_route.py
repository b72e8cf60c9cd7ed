"""The sign-in route."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from support.visitors import PASSWORD

from monitor.errors import StoreError
from monitor.server.auth.sessions import COOKIE
from monitor.server.auth.user import Role, User
from monitor.server.routes import ROUTES
from monitor.server.service import MonitorService

ROUTE = "/monitor/sign-in"
ORIGIN = {"Origin": "http://testserver"}


@pytest.fixture
def monitor_service(opened: Callable[..., MonitorService]) -> MonitorService:
    return opened(mode="password")


@pytest.fixture
def client(monitor_service: MonitorService) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=ROUTES)) as client:
        yield client


def sign_in(
    client: TestClient, token: str, name: str = "rob", password: str = PASSWORD, **headers: str
) -> httpx2.Response:
    body = json.dumps({"name": name, "password": password})
    return client.post(ROUTE, params={"token": token}, content=body, headers={**ORIGIN, **headers})


def lines(monitor_service: MonitorService) -> list[tuple[str, str, str]]:
    return [(entry.person, entry.action, entry.what) for entry in monitor_service.audit.last(99)]


def test_the_right_password_signs_in_the_page_and_the_browser(
    client: TestClient, monitor_service: MonitorService
) -> None:
    token = monitor_service.sessions.create_token()
    answer = sign_in(client, token, " Rob ")
    assert (answer.status_code, answer.json()) == (200, {"name": "rob"})
    assert monitor_service.sessions.find_user(token) == User("rob", Role.REVIEWER)
    session_id = client.cookies[COOKIE]
    another_tab = monitor_service.sessions.create_token()
    assert monitor_service.sessions.join(another_tab, session_id)
    assert session_id not in answer.text
    assert lines(monitor_service) == [("rob", "signed in", "reviewer")]


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_the_cookie_is_for_this_site_only_and_not_for_scripts(
    monitor_service: MonitorService, scheme: str, secure: bool
) -> None:
    with TestClient(Starlette(routes=ROUTES), base_url=f"{scheme}://testserver") as client:
        answer = sign_in(client, monitor_service.sessions.create_token(), Origin=f"{scheme}://testserver")
    parts = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/", f"max-age={168 * 3600}"} <= parts
    assert ("secure" in parts) is secure
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("name", "password"), [("rob", "wrong"), ("nobody", PASSWORD), ("", "")])
def test_a_wrong_password_is_refused(
    client: TestClient, monitor_service: MonitorService, name: str, password: str
) -> None:
    token = monitor_service.sessions.create_token()
    answer = sign_in(client, token, name, password)
    assert answer.status_code == 401
    assert answer.json() == {"error": "the name or the password is wrong"}
    assert "set-cookie" not in answer.headers
    assert monitor_service.sessions.find_user(token) is None


def test_only_known_names_are_audited(client: TestClient, monitor_service: MonitorService) -> None:
    for name in ("ROB", PASSWORD):
        sign_in(client, monitor_service.sessions.create_token(), name, "wrong")
    assert lines(monitor_service) == [("", "sign-in failed", "unknown name"), ("rob", "sign-in failed", "")]
    assert monitor_service.audit.last(1)[0].client == "testclient"


def test_failed_logins_delay_the_right_password_too(client: TestClient, monitor_service: MonitorService) -> None:
    for _ in range(5):
        assert sign_in(client, monitor_service.sessions.create_token(), password="wrong").status_code == 401  # noqa: S106
    answer = sign_in(client, monitor_service.sessions.create_token())
    assert answer.status_code == 401
    assert "too many wrong passwords: wait" in answer.json()["error"]
    assert len(lines(monitor_service)) == 5, "what is not looked at fills no log"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://testserver:81"])
def test_a_foreign_site_is_refused(client: TestClient, monitor_service: MonitorService, origin: str) -> None:
    token = monitor_service.sessions.create_token()
    assert sign_in(client, token, Origin=origin).status_code == 403
    assert monitor_service.sessions.find_user(token) is None


def test_a_sign_in_needs_the_token_of_a_page(client: TestClient) -> None:
    for token in ("", "guessed"):
        answer = sign_in(client, token)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"7",
        b'{"name": "rob"}',
        b'{"name": 1, "password": 2}',
        b"\xff",
        b'{"x": "%s"}' % (b"y" * 9000),
    ],
)
def test_invalid_input_is_refused(client: TestClient, monitor_service: MonitorService, body: bytes) -> None:
    answer = client.post(ROUTE, params={"token": monitor_service.sessions.create_token()}, content=body, headers=ORIGIN)
    assert answer.status_code == 400
    assert lines(monitor_service) == []


def test_a_database_error_is_answered_with_a_sentence(
    client: TestClient, monitor_service: MonitorService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(monitor_service.audit, "note", broken)
    token = monitor_service.sessions.create_token()
    answer = sign_in(client, token)
    assert (answer.status_code, answer.json()["error"]) == (503, "the disk is full")
    assert monitor_service.sessions.find_user(token) is None, "a failed request signs no user in"


@pytest.mark.parametrize("mode", ["open", "oidc"])
def test_other_modes_refuse_passwords(opened: Callable[..., MonitorService], mode: str) -> None:
    monitor_service = opened(mode=mode)
    with TestClient(Starlette(routes=ROUTES)) as client:
        assert sign_in(client, monitor_service.sessions.create_token()).status_code == 403


def test_the_session_of_a_deleted_account_ends_within_seconds(
    client: TestClient, monitor_service: MonitorService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.server.auth.sessions._LOOK_UP_INTERVAL", 0.0)
    token = monitor_service.sessions.create_token()
    sign_in(client, token)
    assert monitor_service.sessions.find_user(token) is not None
    monitor_service.accounts.change_role("rob", Role.VIEWER)
    assert monitor_service.sessions.find_user(token) == User("rob", Role.VIEWER)
    monitor_service.accounts.remove("rob")
    assert monitor_service.sessions.find_user(token) is None
