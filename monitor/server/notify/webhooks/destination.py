"""The addresses that webhooks may be sent to: a policy against request forgery.

A host name is resolved for each request, all its IP addresses are checked, and the request goes to a checked IP
address. So a name cannot mean another address between check and connection (DNS rebinding).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import httpx

from monitor.errors import UsageError
from monitor.server.address_policy import embedded, is_link_local, look_up

_LONGEST: Final = 2000  # characters of a URL
_EXAMPLE: Final = "https://hooks.example.org/monitor"


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL with one checked IP address of its host."""

    url: httpx.URL  # the host is the IP address
    host_header: str
    server_name: str  # for TLS: the host of the certificate


def shown_url(url: str) -> str:
    """The scheme, the host and the port of a URL: user, path and query may be secret.

    >>> shown_url("https://hooks.slack.com/services/T0/B0/XX")
    'https://hooks.slack.com/***'
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "that address"
    is_bare = parsed.raw_path in (b"", b"/") and not parsed.userinfo
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}/" + ("" if is_bare else "***")


def resolve(url: str, *, private_networks: bool) -> Sequence[Destination]:
    """The destinations of a URL, one for each IP address of its host; waits for a name look-up.

    Args:
        private_networks: allow private networks and this machine, also with http://.

    Raises:
        UsageError: the URL is invalid, its host is unknown, or the policy denies one of its IP addresses.
    """
    parsed, shown = _parse(url), shown_url(url)
    addresses = look_up(parsed.host, shown=shown)
    if not addresses:
        raise UsageError(f"{shown}: the host {parsed.host} cannot be found: check its name")
    for address in addresses:
        _check(address, scheme=parsed.scheme, private_networks=private_networks, shown=shown)
    host_header = parsed.netloc.decode("ascii")
    return [Destination(parsed.copy_with(host=str(address)), host_header, parsed.host) for address in addresses]


def _parse(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UsageError(f"this is not a valid address: {error}; write an address like {_EXAMPLE}") from None
    if parsed.scheme not in ("https", "http") or not parsed.host:
        raise UsageError(f"a webhook needs an address with https://, like {_EXAMPLE}")
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise UsageError(f"{shown_url(url)}: this is not a valid address: a port is between 1 and 65535")
    if len(url) > _LONGEST:
        raise UsageError(f"{shown_url(url)}: an address has at most {_LONGEST} characters")
    return parsed


def _check(address: IPv4Address | IPv6Address, *, scheme: str, private_networks: bool, shown: str) -> None:
    inner = embedded(address)
    is_reserved = inner.is_reserved and not inner.is_loopback  # ::1 is in a reserved range
    if is_link_local(inner) or inner.is_multicast or inner.is_unspecified or is_reserved:
        raise UsageError(f"{shown}: {address} is link-local, a cloud's metadata address or reserved: it is never used")
    if inner.is_global:
        if scheme == "http":
            raise UsageError(f"{shown}: http:// is allowed in private networks only: use https://")
    elif not private_networks:
        raise UsageError(
            f"{shown}: {address} is in a private network or this machine: allow it with webhooks.private_networks"
        )
