from ipaddress import ip_network

import pytest
from starlette.datastructures import Address
from starlette.requests import HTTPConnection

from monitor.server.auth.client_address import is_allowed_client, is_direct, is_rebinding_safe


def test_loopback_and_listed_networks_are_allowed() -> None:
    allowed = (ip_network("fd00::/8"), ip_network("172.17.0.0/16"))
    assert is_allowed_client(Address("127.8.9.1", 1), networks=(), direct=True)
    assert not is_allowed_client(Address("127.8.9.1", 1), networks=(), direct=False)
    assert is_allowed_client(Address("fd00::7", 1), networks=allowed, direct=False)
    assert is_allowed_client(Address("::ffff:172.17.0.1", 1), networks=allowed, direct=False)
    assert not is_allowed_client(Address("172.18.0.1", 1), networks=allowed, direct=True)
    assert not is_allowed_client(None, networks=allowed, direct=True), "a socket without addresses"
    assert not is_allowed_client(Address("monitor.example", 1), networks=allowed, direct=True)


@pytest.mark.parametrize(
    ("name", "safe"), [("localhost", True), ("a.localhost", True), ("127.0.0.1", True), ("::1", True), ("a.com", False)]
)
def test_only_localhost_and_ip_addresses_are_rebinding_safe(name: str, safe: bool) -> None:
    assert is_rebinding_safe(name) is safe


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP"])
def test_a_proxy_header_makes_a_request_indirect(header: str) -> None:
    scope = {"type": "http", "headers": [(header.lower().encode(), b"198.51.100.7")]}
    assert not is_direct(HTTPConnection(scope))
    assert is_direct(HTTPConnection({"type": "http", "headers": []}))
