"""The answer of every route for every role."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from unittest.mock import ANY

import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from support.visitors import token_of

from monitor.analysis.pipeline import Engines
from monitor.errors import EngineError
from monitor.server.auth.user import Role
from monitor.server.broadcaster import Broadcaster
from monitor.server.frame_messages import NOT_ALLOWED
from monitor.server.routes import ROUTES
from monitor.server.service import MonitorService
from monitor.settings import Settings

TAKES = {  # the role that a route takes; a new route is written down here, or a test fails
    "/monitor/live/{stream}": Role.VIEWER,
    "/monitor/flags/{flag}/{name}": Role.VIEWER,
    "/monitor/analyses/{analysis}/{name}": Role.VIEWER,
    "/monitor/camera/{key}": Role.REVIEWER,
    "/monitor/export": Role.REVIEWER,
    "/monitor/upload": Role.REVIEWER,
}
TAKES_NONE = {  # they look at something else, and have tests of their own
    "/monitor/sign-in",
    "/api/v1",
    "/healthz",
    "/readyz",
    "/metrics",
}
PATHS = sorted(str(getattr(route, "path", route)) for route in ROUTES)


@pytest.fixture
def monitor_service(opened: Callable[..., MonitorService], monkeypatch: pytest.MonkeyPatch) -> MonitorService:
    """Without networks, so the stream of a camera fails at once."""

    def none(settings: Settings) -> Engines:
        raise EngineError("none today")

    monkeypatch.setattr(Engines, "load", none)
    return opened(mode="password")


@pytest.fixture
def client(monitor_service: MonitorService) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=ROUTES)) as client:
        yield client


def refused(client: TestClient, route: BaseRoute, query: str = "", **headers: str) -> bool:
    """Whether a request is refused."""
    assert isinstance(route, Route | WebSocketRoute)
    path = route.path
    for name in route.param_convertors:
        path = path.replace(f"{{{name}}}", "one-of-sixteen-letters")
    if isinstance(route, WebSocketRoute):
        with client.websocket_connect(f"{path}?{query}", headers=headers) as socket:
            socket.send_bytes(b"")
            return socket.receive() == {"type": "websocket.close", "code": NOT_ALLOWED, "reason": ANY}
    answers = [
        client.request(method, f"{path}?{query}", headers=headers)
        for method in sorted(route.methods or ())
        if method != "HEAD"
    ]
    assert answers
    return all(answer.status_code == 403 and "not allowed" in answer.json()["error"] for answer in answers)


def test_every_route_has_a_role_in_this_table() -> None:
    assert sorted(TAKES.keys() | TAKES_NONE) == PATHS, "say which role it takes"


@pytest.mark.parametrize("role", [None, *Role], ids=str)
@pytest.mark.parametrize("route", [route for route in ROUTES if getattr(route, "path", "") in TAKES], ids=str)
def test_a_route_answers_from_its_role_on(
    client: TestClient, monitor_service: MonitorService, route: BaseRoute, role: Role | None
) -> None:
    token = monitor_service.sessions.create_token() if role is None else token_of(monitor_service, role, name="ada")
    enough = role is not None and role >= TAKES[getattr(route, "path", "")]
    assert refused(client, route, f"token={token}") is not enough
    assert refused(client, route, f"token={token}", Origin="http://testserver") is not enough
    assert refused(client, route, f"token={token}", Origin="http://evil.example")
    assert refused(client, route, "token=guessed")
    assert refused(client, route)
    monitor_service.sessions.end(token)
    assert refused(client, route, f"token={token}"), "signed out"


def test_open_connections_close_when_the_sign_in_ends(client: TestClient, monitor_service: MonitorService) -> None:
    broadcaster = Broadcaster()
    monitor_service._streams["door"] = SimpleNamespace(
        id="door", broadcaster=broadcaster, stop=lambda: broadcaster.end("over")
    )  # type: ignore[assignment]
    token = token_of(monitor_service, Role.VIEWER, name="eve")
    with client.websocket_connect(f"/monitor/live/door?token={token}") as socket:
        monitor_service.sessions.end(token)
        with pytest.raises(WebSocketDisconnect) as end:
            socket.receive_bytes()
    assert (end.value.code, end.value.reason) == (NOT_ALLOWED, "not allowed: your sign-in has ended, sign in again")


def test_exports_and_uploads_are_audited_with_the_user(client: TestClient, monitor_service: MonitorService) -> None:
    token = token_of(monitor_service, Role.REVIEWER, name="rob")
    assert (
        client.get("/monitor/export", params={"token": token, "ids": "", "actor": "somebody else"}).status_code == 200
    )
    (entry,) = monitor_service.audit.last(9)
    assert (entry.person, entry.action, entry.client) == ("rob", "exported", "testclient")
