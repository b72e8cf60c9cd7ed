import socket

import pytest

from monitor.errors import SourceUnavailableError
from monitor.media.sources.address import Address
from monitor.media.sources.reachable import check_reachable


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def check(url: str, *, timeout: float = 0.3) -> None:
    check_reachable(Address.of(url), timeout=timeout)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_listening_host_passes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        check(f"rtsp://me:secret@127.0.0.1:{server.getsockname()[1]}/cam")


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_closed_port_gives_the_same_error_as_opening_the_source(scheme: str) -> None:
    with pytest.raises(SourceUnavailableError, match="nothing listens there") as caught:
        check(f"{scheme}://me:secret@127.0.0.1:{closed_port()}/cam")
    assert "secret" not in str(caught.value)


def test_an_unknown_host_name_is_an_error() -> None:
    with pytest.raises(SourceUnavailableError, match="is the host name right"):
        check("rtsp://no-such-camera.invalid/cam")


def test_a_silent_host_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(address: object, timeout: float) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", silent)
    with pytest.raises(SourceUnavailableError, match="no answer in time"):
        check("rtsp://192.0.2.1/cam")


@pytest.mark.parametrize("url", ["webcam:0", "a.mp4", "demo:"])
def test_addresses_without_a_port_pass(url: str) -> None:
    check(url)


def test_hosts_behind_a_proxy_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    check(f"http://127.0.0.1:{closed_port()}/a.mp4")
