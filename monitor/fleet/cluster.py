"""Joins a Ray cluster, or starts Ray on this machine, and says in one sentence why that failed.

Ray is imported on first use. Two of its habits are changed: it sends no usage statistics, and it writes no log lines
to the terminal.
"""

import importlib
import logging
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from monitor.errors import ClusterError, UsageError
from monitor.system.masking import mask

if TYPE_CHECKING:
    from types import ModuleType

LOCAL: Final = "local"
AUTO: Final = "auto"
_CLIENT: Final = "ray://"
_CLIENT_PORT: Final = 10_001
_REACH_TIMEOUT: Final = 5.0  # seconds (wall clock) until an address counts as unreachable; Ray itself tries for minutes
_OBJECT_STORE: Final = 100 << 20  # bytes of shared memory; the fleet sends small values only
_SLOW: Final = "timed out during startup"
_STARTS: Final = 2  # tries to start Ray: a busy machine may need more than the 30 s that Ray waits for itself
_ADDRESS: Final = re.compile(r"(?P<host>\[[^\]]+\]|[^:/@\s]+):(?P<port>\d{1,5})")
_VERSIONS: Final = re.compile(r"^\s*(Ray|Python): (\S+)", re.MULTILINE)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """A living machine of the cluster, or one of several Ray nodes on a machine."""

    id: str  # Ray's, hexadecimal
    address: str  # host name or IP address
    cpus: float  # CPU slots
    gpus: float


@contextmanager
def connect(address: str, *, cpus: int | None = None, namespace: str | None = None) -> Iterator["ModuleType"]:
    """Joins a cluster until the block ends; yields the module ``ray``.

    Ray's token (``~/.ray/auth_token``, ``RAY_AUTH_TOKEN`` or ``RAY_AUTH_TOKEN_PATH``) must be the cluster's. A Ray
    that is started here makes one where its version has tokens, so that other users of the machine cannot join it.

    Args:
        address: ``local`` starts Ray on this machine and stops it at the end; ``auto`` is the cluster of which this
            machine is a node; else ``ray://HOST:PORT`` or ``HOST:PORT``.
        cpus: CPU slots of a Ray that is started here; default: one per core.
        namespace: of named actors; default: one of its own.

    Raises:
        UsageError: the address is none of these, or Ray is not installed.
        ClusterError: the cluster does not answer, refuses the token, or runs another version of Ray or Python.
    """
    ray = _import_ray()
    _silence()
    if not (is_local := address == LOCAL):
        _check_address(address)
    started: dict[str, Any] = {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": _OBJECT_STORE}
    options = {"address": address, "namespace": namespace, "log_to_driver": False, "logging_level": logging.ERROR}
    for start in range(1, _STARTS + 1):
        try:
            ray.init(**options, **(started if is_local else {}))
            break
        except (Exception, SystemExit) as error:  # Ray has no class of its own for most of these
            ray.shutdown()
            if not (is_local and _SLOW in str(error) and start < _STARTS):
                raise _describe(address, error) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def living_nodes() -> Mapping[str, ClusterNode]:
    """The living nodes by id; inside ``connect`` only."""
    ray = _import_ray()
    return {
        node["NodeID"]: ClusterNode(
            id=node["NodeID"],
            address=node["NodeManagerHostname"] or node["NodeManagerAddress"],
            cpus=node["Resources"].get("CPU", 0.0),
            gpus=node["Resources"].get("GPU", 0.0),
        )
        for node in ray.nodes()
        if node["Alive"]
    }


def _import_ray() -> "ModuleType":
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray = importlib.import_module("ray")
        importlib.import_module("ray.exceptions")
    except ImportError as error:
        raise UsageError("`fleet` needs Ray: pip install 'deepfake-monitor[fleet]'") from error
    return ray


def _silence() -> None:
    """Log the paragraphs about dead workers that Ray prints on stdout, beside our results: it has no option for it."""
    importlib.import_module("ray._private.worker").__dict__["print_to_stdstream"] = _log_paragraph


def _log_paragraph(data: Mapping[str, Any], **_: object) -> None:
    _log.debug("Ray: %s", " ".join(map(str, data.get("lines", ()))))


def _check_address(address: str) -> None:
    """Refuses an address that Ray cannot mean, or where nobody answers."""
    if address == AUTO:
        return
    text = address.removeprefix(_CLIENT)
    if address.startswith(_CLIENT) and ":" not in text:
        text = f"{text}:{_CLIENT_PORT}"
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 1 << 16:
        raise UsageError(
            f"--address {mask(address)} is no Ray cluster: use local, auto, ray://HOST:{_CLIENT_PORT} or HOST:6379"
        )
    try:
        socket.create_connection((match["host"].strip("[]"), int(match["port"])), timeout=_REACH_TIMEOUT).close()
    except OSError as error:
        raise ClusterError(
            f"{address}: no Ray cluster answers there ({error.strerror or error}); check the address, and that Ray runs"
        ) from error


def _describe(address: str, error: BaseException) -> ClusterError:
    """The sentence for a failed ``ray.init``."""
    from ray.exceptions import AuthenticationError

    text = str(error)
    if isinstance(error, AuthenticationError) or "nauthenticated" in text or "auth_token" in text:
        return ClusterError(
            f"{address}: the cluster refuses the token of this machine; copy the file ~/.ray/auth_token of the head "
            "node, or set RAY_AUTH_TOKEN_PATH"
        )
    if "ersion mismatch" in text:
        (ray, python), (own_ray, own_python) = _versions(text)
        return ClusterError(
            f"{address}: the cluster runs Ray {ray} and Python {python}, this machine Ray {own_ray} and Python "
            f"{own_python}; install the cluster's versions here"
        )
    if "ailed to connect to Ray cluster" in text or "connection timeout" in text:
        return ClusterError(
            f"{address}: the cluster does not answer this machine; set RAY_AUTH_MODE=token and the cluster's token "
            "(~/.ray/auth_token of the head node), and RAY_USE_TLS as the cluster has it"
        )
    if address == LOCAL:
        return ClusterError(f"Ray cannot be started on this machine ({_first_line(text)}); see /tmp/ray for its logs")
    if address == AUTO:
        return ClusterError(
            "this machine is no node of a running Ray cluster: start it with `ray start --head`, or join one with "
            "`ray start --address=HOST:6379`"
        )
    if not address.startswith(_CLIENT):
        return ClusterError(
            f"{address}: this machine cannot join the cluster ({_first_line(text)}); make it a node with "
            f"`ray start --address={address}`, or use ray://HOST:{_CLIENT_PORT}"
        )
    return ClusterError(f"{address}: the cluster cannot be joined ({_first_line(text)}); look at the logs of its head")


def _versions(text: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Ray's and Python's version, of the cluster and of this process."""
    found = [version for _, version in _VERSIONS.findall(text)]
    ray, python, own_ray, own_python = (*found, *["?"] * 4)[:4]
    return (ray, python), (own_ray, own_python)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].rstrip(".") or "no reason given"
