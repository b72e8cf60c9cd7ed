"""Access without a sign-in, and the security headers."""

from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from monitor.server.auth.access_middleware import HEADERS, AccessMiddleware, only_loopback, refusal
from monitor.server.routes import ROUTES
from monitor.server.service import MonitorService
from monitor.settings import AccessSettings


def asked(client: str | None = "127.0.0.1", host: str = "localhost:8501", **headers: str) -> HTTPConnection:
    named = {"host": host, **headers}
    return HTTPConnection(
        {
            "type": "http",
            "scheme": "http",
            "path": "/",
            "query_string": b"",
            "server": ("127.0.0.1", 8501),
            "client": None if client is None else (client, 40000),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()],
        }
    )


OPEN = AccessSettings()
TO_NETWORK = AccessSettings(open_to_network=True)


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_allowed(client: str) -> None:
    assert refusal(asked(client), OPEN) == ""


@pytest.mark.parametrize("client", ["192.168.1.7", "8.8.8.8", "2001:db8::1", "testclient", "", None])
def test_other_machines_need_the_setting_open_to_network(client: str | None) -> None:
    assert "set access.mode to password or oidc" in refusal(asked(client), OPEN)
    assert refusal(asked(client), TO_NETWORK) == ""
    assert refusal(asked(client), AccessSettings(mode="password")) == ""


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "x_real_ip"])
def test_a_request_through_a_proxy_is_not_local(header: str) -> None:
    assert "its own machine only" in refusal(asked(**{header: "127.0.0.1"}), OPEN)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8501", "LOCALHOST", "a.localhost", "127.0.0.1:1", "[::1]:8501"]
)
def test_rebinding_safe_host_names_are_allowed(host: str) -> None:
    assert refusal(asked(host=host), OPEN) == ""


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8501", "localhost.evil.example", "127.0.0.1.nip.io"])
def test_other_host_names_are_refused(host: str) -> None:
    for settings in (OPEN, TO_NETWORK):
        assert "add this host name to access.hosts" in refusal(asked(host=host), settings)
    assert refusal(asked(host=host), AccessSettings(mode="oidc")) == "", "its cookies are not sent there"


def test_host_names_in_the_settings_are_allowed() -> None:
    settings = AccessSettings(hosts="Monitor.example\ncams.example")
    assert refusal(asked(host="monitor.EXAMPLE:8501"), settings) == ""
    assert refusal(asked(host="other.example"), settings) != ""


@pytest.mark.parametrize(
    ("host", "only"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("10.0.0.1", False),
        ("cam", False),
        ("", False),
    ],
)
def test_loopback_listen_addresses_are_recognised(host: str, only: bool) -> None:
    assert only_loopback(host) is only


async def _page(_: object) -> PlainTextResponse:
    return PlainTextResponse("hello", headers={"Referrer-Policy": "origin"})


async def _talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()


APP = Starlette(
    routes=[Route("/", _page), WebSocketRoute("/talk", _talk), *ROUTES], middleware=[Middleware(AccessMiddleware)]
)


def test_every_answer_has_security_headers(opened: Callable[..., MonitorService]) -> None:
    opened()
    with TestClient(APP, base_url="http://localhost", client=("127.0.0.1", 1)) as client:
        for path in ("/", "/nowhere", "/monitor/export"):
            answer = client.get(path)
            said = {name: answer.headers[name] for name in HEADERS}
            assert "frame-ancestors" in said["Content-Security-Policy"]
            assert said["X-Frame-Options"] == "SAMEORIGIN"
            assert said["X-Content-Type-Options"] == "nosniff"
        assert client.get("/").headers["referrer-policy"] == "origin", "what an answer says itself stays"
        with client.websocket_connect("ws://localhost/talk") as socket:
            assert socket.receive_text() == "hello"


def test_a_refused_client_gets_only_a_sentence(opened: Callable[..., MonitorService]) -> None:
    opened()
    with TestClient(APP, base_url="http://localhost", client=("10.0.0.9", 1)) as client:
        for path in ("/", "/monitor/export"):
            answer = client.get(path)
            assert answer.status_code == 403
            assert answer.text.count("\n") == 1
            assert "its own machine only" in answer.text
            assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("ws://localhost/talk"):
            pass
        assert "its own machine only" not in client.get("/healthz").text, "it has rules of its own"


def test_with_a_sign_in_the_port_is_open(opened: Callable[..., MonitorService]) -> None:
    opened(mode="password")
    with TestClient(APP, base_url="http://cams.example", client=("10.0.0.9", 1)) as client:
        assert client.get("/").text == "hello"
        assert client.get("/monitor/export").status_code == 403
