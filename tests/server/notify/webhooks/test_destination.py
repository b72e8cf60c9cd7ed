"""The policy against request forgery."""

from collections.abc import Callable

import pytest

from monitor.errors import UsageError
from monitor.server.notify.webhooks.destination import resolve, shown_url

Names = Callable[..., list[str]]


@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "169.254.1.2", "[fe80::1]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]"),
        *("2852039166", "0xa9fea9fe", "169.254.43518", "100.100.100.200", "168.63.129.16", "[fd00:ec2::254]"),
        *("0.0.0.0", "[::]", "224.0.0.1", "[ff02::1]", "255.255.255.255", "[2002:a9fe:a9fe::1]", "metadata.test"),  # noqa: S104
        "mixed.test",
    ],
)
@pytest.mark.parametrize("private_networks", [False, True])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_link_local_metadata_and_reserved_addresses_are_never_used(
    names: Names, host: str, private_networks: bool, scheme: str
) -> None:
    names(metadata=["169.254.169.254"], mixed=["93.184.215.14", "169.254.169.254"])
    with pytest.raises(UsageError, match=r"never used|http:// is allowed in private networks only"):
        resolve(f"{scheme}://ada:hush@{host}:8080/x?token=hush", private_networks=private_networks)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.0.0.7", "192.168.1.9", "172.16.3.4", "100.64.0.1", "[::1]", "[fd00::7]"),
        *("2130706433", "127.1", "inside.test", "[::ffff:10.0.0.7]"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_private_networks_need_the_setting(names: Names, host: str, scheme: str) -> None:
    names(inside=["192.168.1.9"])
    with pytest.raises(UsageError, match=r"allow it with webhooks\.private_networks"):
        resolve(f"{scheme}://{host}/", private_networks=False)
    assert resolve(f"{scheme}://{host}/", private_networks=True)


@pytest.mark.parametrize("private_networks", [False, True])
def test_public_addresses_need_https(names: Names, private_networks: bool) -> None:
    names(hooks=["93.184.215.14"])
    with pytest.raises(UsageError, match="use https://"):
        resolve("http://hooks.test/", private_networks=private_networks)
    (one,) = resolve("https://hooks.test:8443/a?b=c", private_networks=private_networks)
    assert str(one.url) == "https://93.184.215.14:8443/a?b=c"
    assert (one.host_header, one.server_name) == ("hooks.test:8443", "hooks.test")


def test_every_address_of_a_host_is_a_destination(names: Names) -> None:
    names(hooks=["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
    urls = [str(one.url) for one in resolve("https://hooks.test/", private_networks=False)]
    assert urls == ["https://93.184.215.14/", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "https://"),
        ("hooks.test/x", "https://"),
        ("ftp://hooks.test/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("https://", "https://"),
        ("https://[::1", "valid address"),
        ("https://hooks.test:99999/", "valid address"),
        ("https://hooks.test/\x00", "valid address"),
        ("https://nobody.test/", "cannot be found"),
        ("https://nobody.test/" + "a" * 2000, "at most 2000 characters"),
    ],
)
def test_an_invalid_address_is_one_sentence(names: Names, url: str, why: str) -> None:
    names()
    with pytest.raises(UsageError, match=why) as told:
        resolve(url, private_networks=True)
    assert "\n" not in str(told.value)


def test_secrets_of_an_address_are_not_shown(names: Names) -> None:
    assert shown_url("https://hooks.slack.com/services/T0/B0/secret") == "https://hooks.slack.com/***"
    assert shown_url("https://ada:hush@nas:8443") == "https://nas:8443/***"
    assert shown_url("https://nas/") == "https://nas/"
    assert shown_url("https://[::1") == "that address"
    names(metadata=["169.254.169.254"])
    with pytest.raises(UsageError) as told:
        resolve("https://ada:hush@metadata.test/hush?key=hush", private_networks=True)
    assert "hush" not in str(told.value)
