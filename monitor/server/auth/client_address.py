"""Checks of a request's client address and host name."""

from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from starlette.datastructures import Address
from starlette.requests import HTTPConnection

_PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-real-ip")


def is_direct(connection: HTTPConnection) -> bool:
    """Whether the request has no header of a proxy."""
    return not any(header in connection.headers for header in _PROXY_HEADERS)


def is_allowed_client(client: Address | None, *, networks: Sequence[IPv4Network | IPv6Network], direct: bool) -> bool:
    """Whether a client is this machine or in one of the networks.

    Args:
        client: the peer; None (a socket without addresses) is not allowed.
        direct: whether a loopback address counts as this machine: no proxy and no DNS rebinding in between.
    """
    if client is None:
        return False
    peer = read_ip(client.host)
    if peer is None:
        return False
    if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    return (direct and peer.is_loopback) or any(peer in network for network in networks)


def is_rebinding_safe(name: str) -> bool:
    """Whether a host name cannot belong to a foreign site: ``localhost`` or an IP address (see DNS rebinding)."""
    return name == "localhost" or name.endswith(".localhost") or read_ip(name) is not None


def read_ip(text: str) -> IPv4Address | IPv6Address | None:
    """The IP address in a text; None for any other text."""
    with suppress(ValueError):
        return ip_address(text)
    return None
