"""Both kinds of hosts answer as the server asks."""

import inspect

import pytest
from support.fleet import HostHere

from monitor.fleet.host_handle import HostHandle


@pytest.mark.parametrize("method", ["claim", "exchange", "flag", "picture", "close", "kill"])
def test_a_host_of_ray_and_the_host_of_the_tests_have_the_methods_of_the_protocol(method: str) -> None:
    pytest.importorskip("ray", reason="needs the extra fleet")
    from monitor.fleet.ray_hosts import RayHost

    wanted = set(inspect.signature(getattr(HostHandle, method)).parameters)
    assert set(inspect.signature(getattr(RayHost, method)).parameters) == wanted
    found = inspect.signature(getattr(HostHere, method)).parameters
    assert set(found) == wanted or any(one.kind is one.VAR_KEYWORD for one in found.values())
