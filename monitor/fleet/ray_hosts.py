"""The hosts of streams as actors of a Ray cluster: named and detached, so that a new server finds them again."""

import logging
import os
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from monitor.errors import MonitorError
from monitor.flags.recorder import FlagRequest
from monitor.fleet.host_handle import HostLostError
from monitor.fleet.host_log import HostLog
from monitor.fleet.messages import ExchangeAnswer, ExchangeRequest
from monitor.fleet.node_host import NodeHost
from monitor.fleet.node_settings import for_node
from monitor.fleet.stream_fleet import FleetNode
from monitor.settings import Settings
from monitor.types import Flag

_START_TIME: Final = 120.0  # seconds (wall clock) until the process of a host must run
_GROUPS: Final = {"exchange": 2, "flags": 8, "pictures": 2}  # threads of an actor; flags never delay the exchange
_PREFIX: Final = "host"

_log = logging.getLogger(__name__)


F = TypeVar("F", bound=Callable[..., Any])


def _in_group(name: str) -> Callable[[F], F]:
    """Run a method of an actor on the threads of a group."""
    method: Any = ray.method
    decorate: Callable[[F], F] = method(concurrency_group=name)
    return decorate


class NodeHostActor(NodeHost):
    """A host that is alone in its process: its log goes to the server, and its end is the end of the process."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, on_abandoned=_end_process, log=HostLog.of_process())

    @_in_group("pictures")
    def claim(self, link: str, probe: str) -> tuple[str, str]:
        """See ``NodeHost.claim``."""
        return super().claim(link, probe)

    @_in_group("exchange")
    def exchange(self, request: ExchangeRequest) -> ExchangeAnswer:
        """See ``NodeHost.exchange``."""
        return super().exchange(request)

    @_in_group("flags")
    def flag(self, stream_id: str, placement: int, mark: FlagRequest) -> Flag | MonitorError:
        """See ``NodeHost.flag``."""
        return super().flag(stream_id, placement, mark)

    @_in_group("pictures")
    def picture(
        self, stream_id: str, placement: int, *, connection: int, index: int, media_time: float
    ) -> bytes | MonitorError:
        """See ``NodeHost.picture``."""
        return super().picture(stream_id, placement, connection=connection, index=index, media_time=media_time)


def _end_process() -> None:
    os._exit(0)


class RayHost:
    """One host, as an actor."""

    def __init__(self, actor: Any) -> None:  # noqa: ANN401 - Ray's handle has no types
        self._actor = actor

    def claim(self, link: str, probe: str, *, timeout: float) -> tuple[str, str]:
        """See ``NodeHost.claim``."""
        asked = self._actor.claim.remote(link, probe)
        answer: tuple[str, str] = _get(asked, timeout)
        return answer

    def exchange(self, request: ExchangeRequest, *, timeout: float) -> ExchangeAnswer:
        """See ``NodeHost.exchange``."""
        asked = self._actor.exchange.remote(request)
        answer: ExchangeAnswer = _get(asked, timeout)
        return answer

    def flag(self, stream_id: str, placement: int, mark: FlagRequest, *, timeout: float) -> Flag | MonitorError:
        """See ``NodeHost.flag``."""
        asked = self._actor.flag.remote(stream_id, placement, mark)
        answer: Flag | MonitorError = _get(asked, timeout)
        return answer

    def picture(
        self, stream_id: str, placement: int, *, connection: int, index: int, media_time: float, timeout: float
    ) -> bytes | MonitorError:
        """See ``NodeHost.picture``."""
        asked = self._actor.picture.remote(
            stream_id, placement, connection=connection, index=index, media_time=media_time
        )
        answer: bytes | MonitorError = _get(asked, timeout)
        return answer

    def close(self, *, timeout: float) -> ExchangeAnswer:
        """See ``NodeHost.close``."""
        answer: ExchangeAnswer = _get(self._actor.close.remote(), timeout)
        return answer

    def kill(self) -> None:
        """End the process of the host now."""
        with suppress(RayError, ValueError, ConnectionError):
            ray.kill(self._actor)


def _get(asked: Any, timeout: float) -> Any:  # noqa: ANN401 - Ray's reference, and its value
    try:
        return ray.get(asked, timeout=timeout)
    except GetTimeoutError:
        raise HostLostError(f"no answer within {timeout:g} s") from None
    except SystemExit:  # Ray's answer in threads that wait while it leaves the cluster
        raise HostLostError("the server has left the cluster") from None
    except RayActorError as error:
        raise HostLostError(_describe_end(str(error))) from None
    except RayError as error:
        raise HostLostError(str(error).strip().partition("\n")[0]) from None


def _describe_end(text: str) -> str:
    if "creation task" not in text:
        return "its process has ended"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"its process does not start ({lines[-1]}); all nodes need the same version of this program"


class RayCluster:
    """The nodes of the Ray cluster that this process has joined, in the namespace of the settings.

    Args:
        settings: of the server; its hosts get the part that they need.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._namespace = settings.fleet.namespace
        self._hostname = socket.gethostname()

    def nodes(self) -> Sequence[FleetNode]:
        """All living nodes."""
        list_nodes: Callable[[], list[dict[str, Any]]] = ray.nodes
        alive = [node for node in list_nodes() if node["Alive"]]
        names = Counter(_name(node) for node in alive)
        return [
            FleetNode(
                id=node["NodeID"],
                name=_name(node) if names[_name(node)] == 1 else f"{_name(node)} ({node['NodeID'][:6]})",
                cores=node["Resources"].get("CPU", 0.0),
                refusal=self._refuse(node),
            )
            for node in alive
        ]

    def _refuse(self, node: Mapping[str, Any]) -> str:
        """Why a node cannot take streams: SQLite cannot be shared between machines."""
        url = self._settings.evidence.database.get_secret_value()
        if node["NodeManagerHostname"] == self._hostname or not (url == "" or url.startswith("sqlite")):
            return ""
        return "it is another machine, and the database of the flags is SQLite: set evidence.database to PostgreSQL"

    def open_host(self, node: FleetNode, slot: int) -> RayHost:
        """Find the host of a node, or start one.

        Raises:
            HostLostError: it does not start.
        """
        prefix = f"{_PREFIX}-{node.id}-{slot}-"
        try:
            for name in ray.util.list_named_actors():
                if name.startswith(prefix):
                    with suppress(ValueError):  # it has ended meanwhile
                        return RayHost(ray.get_actor(name, namespace=self._namespace))
            return RayHost(self._start(f"{prefix}{secrets.token_hex(3)}", node.id))
        except RayError as error:
            raise HostLostError(str(error).strip().partition("\n")[0]) from None

    def _start(self, name: str, node_id: str) -> Any:  # noqa: ANN401 - Ray's handle
        remote: Any = ray.remote
        actor_class = remote(concurrency_groups=_GROUPS)(NodeHostActor)
        actor = actor_class.options(
            name=name,
            namespace=self._namespace,
            lifetime="detached",
            max_restarts=0,
            max_task_retries=0,
            num_cpus=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
        ).remote(for_node(self._settings))
        _get(actor.__ray_ready__.remote(), _START_TIME)
        return actor

    def close(self) -> None:
        """Nothing: the command that has joined the cluster leaves it."""


def _name(node: Mapping[str, Any]) -> str:
    """The name of ``ray start --node-name``, else the host name."""
    given: str = node.get("NodeName") or ""
    hostname: str = node["NodeManagerHostname"]
    return hostname if given in ("", node["NodeManagerAddress"]) else given
