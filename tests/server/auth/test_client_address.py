from ipaddress import ip_network

import pytest
from starlette.datastructures import Address
from starlette.requests import HTTPConnection

from monitor.server.auth.client_address import came_directly, cannot_be_taken, is_near


def test_near_is_loopback_or_named() -> None:
    allowed = (ip_network("fd00::/8"), ip_network("172.17.0.0/16"))
    assert is_near(Address("127.8.9.1", 1), allowed=(), direct=True)
    assert not is_near(Address("127.8.9.1", 1), allowed=(), direct=False)
    assert is_near(Address("fd00::7", 1), allowed=allowed, direct=False)
    assert is_near(Address("::ffff:172.17.0.1", 1), allowed=allowed, direct=False)
    assert not is_near(Address("172.18.0.1", 1), allowed=allowed, direct=True)
    assert not is_near(None, allowed=allowed, direct=True), "a socket without addresses"
    assert not is_near(Address("monitor.example", 1), allowed=allowed, direct=True)


@pytest.mark.parametrize(
    ("name", "safe"), [("localhost", True), ("a.localhost", True), ("127.0.0.1", True), ("::1", True), ("a.com", False)]
)
def test_a_name_that_a_site_could_have(name: str, safe: bool) -> None:
    assert cannot_be_taken(name) is safe


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP"])
def test_a_proxy_says_so(header: str) -> None:
    scope = {"type": "http", "headers": [(header.lower().encode(), b"198.51.100.7")]}
    assert not came_directly(HTTPConnection(scope))
    assert came_directly(HTTPConnection({"type": "http", "headers": []}))
