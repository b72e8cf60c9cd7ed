"""Where somebody asks from: this machine, a network that is named, or anywhere."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from starlette.datastructures import Address
from starlette.requests import HTTPConnection

_PROXIED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")


def came_directly(connection: HTTPConnection) -> bool:
    """Whether no proxy says that it asks for somebody else."""
    return not any(header in connection.headers for header in _PROXIED)


def is_near(client: Address | None, *, allowed: Sequence[IPv4Network | IPv6Network], direct: bool) -> bool:
    """Whether an address may ask.

    Args:
        client: the peer; None, as behind a socket that has no addresses, is not near.
        allowed: the networks that are named in the settings.
        direct: no proxy says that it asks for somebody else, no site has made its own name mean this machine.
    """
    if client is None:
        return False
    try:
        peer = ip_address(client.host)
    except ValueError:
        return False
    if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    return (direct and peer.is_loopback) or any(peer in network for network in allowed)


def cannot_be_taken(name: str) -> bool:
    """Whether a host's name is one that no other site can make its own (DNS rebinding)."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
