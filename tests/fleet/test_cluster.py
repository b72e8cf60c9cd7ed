"""Joining a cluster: what a person reads when it fails, and what a started Ray is like."""

import socket
import sys
from types import ModuleType
from typing import Any

import pytest

from monitor.errors import ClusterError, MonitorError, UsageError
from monitor.fleet import cluster

ray = pytest.importorskip("ray", reason="needs the extra fleet")

MISMATCH = """Version mismatch: The cluster was started with:
    Ray: 2.55.0
    Python: 3.12.1
This process on Ray Client was started with:
    Ray: 2.60.0
    Python: 3.11.7
"""


def failed(address: str) -> MonitorError:
    with pytest.raises(MonitorError) as caught, cluster.connect(address):
        pass
    return caught.value


@pytest.mark.parametrize("address", ["nonsense", "ray://", "head:0", "head:99999", "http://head:1", "head:6379/x"])
def test_an_address_that_is_none_is_refused_before_anything_starts(address: str) -> None:
    error = failed(address)
    assert isinstance(error, UsageError)
    assert "use local, auto, ray://HOST:10001 or HOST:6379" in str(error)


def test_a_secret_in_an_address_is_masked() -> None:
    assert "hunter2" not in str(failed("ray://me:hunter2@head:10001"))


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_an_address_where_nobody_answers_fails_at_once(form: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = failed(form.format(unused.getsockname()[1]))
    assert isinstance(error, ClusterError)
    assert "no Ray cluster answers there" in str(error)


@pytest.mark.parametrize(
    ("address", "raised", "words"),
    [
        (
            "head:6379",
            RuntimeError(MISMATCH),
            "runs Ray 2.55.0 and Python 3.12.1, this machine Ray 2.60.0 and Python 3",
        ),
        ("head:6379", ray.exceptions.AuthenticationError("no token"), "refuses the token of this machine"),
        ("head:6379", RuntimeError("RPC error: Unauthenticated: wrong token"), "refuses the token of this machine"),
        ("head:6379", ConnectionError("no node here.\nmore"), "cannot join the cluster (no node here); make it a node"),
        ("head:6379", RuntimeError("Failed to connect to Ray cluster."), "set RAY_AUTH_MODE=token"),
        ("ray://head:1", ConnectionError("ray client connection timeout"), "and RAY_USE_TLS as the cluster has it"),
        ("ray://head:1", ConnectionError("timeout"), "the cluster cannot be joined (timeout)"),
        ("auto", ConnectionError("none found"), "start it with `ray start --head`"),
        ("local", OSError("no space"), "Ray cannot be started on this machine (no space)"),
        ("head:6379", SystemExit(15), "make it a node with"),
    ],
)
def test_each_failure_of_ray_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, address: str, raised: BaseException, words: str
) -> None:
    def fail(**_: Any) -> None:
        raise raised

    monkeypatch.setattr(ray, "init", fail)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: socket.socket())
    error = failed(address)
    assert isinstance(error, ClusterError)
    assert words in str(error)
    assert "\n" not in str(error)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "pip install 'deepfake-monitor[fleet]'" in str(failed("local"))


@pytest.mark.fleet
def test_ray_is_started_on_this_machine_and_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    with cluster.connect("local", cpus=1) as module:
        assert isinstance(module, ModuleType)
        (node,) = cluster.living_nodes().values()
        assert node.cpus == 1
        assert node.address
    assert not ray.is_initialized()
