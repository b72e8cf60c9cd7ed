"""A cluster in one process: the hosts of streams without Ray, and ways to lose them."""

import threading
import time
from collections.abc import Sequence
from typing import Any

from monitor.analysis.pipeline import Engines
from monitor.fleet.host_handle import HostLostError
from monitor.fleet.node_host import NodeHost
from monitor.fleet.stream_fleet import FleetNode
from monitor.settings import Settings


class HostHere:
    """A host in this process. ``is_silent``: it does not answer, as a node without a network."""

    def __init__(self, host: NodeHost) -> None:
        self.host, self.is_silent, self.is_dead = host, False, False
        self.asked = 0

    def _ask(self, method: str, *arguments: Any, timeout: float, **more: Any) -> Any:
        if self.is_silent:
            time.sleep(timeout)
            raise HostLostError(f"no answer within {timeout:g} s")
        if self.is_dead:
            raise HostLostError("its process has ended")
        answer = getattr(self.host, method)(*arguments, **more)
        if self.is_dead:  # it has ended before the answer was sent
            raise HostLostError("its process has ended")
        return answer

    def claim(self, link: str, probe: str, *, timeout: float) -> Any:
        return self._ask("claim", link, probe, timeout=timeout)

    def exchange(self, request: Any, *, timeout: float) -> Any:
        self.asked += 1
        return self._ask("exchange", request, timeout=timeout)

    def flag(self, stream_id: str, placement: int, mark: Any, *, timeout: float) -> Any:
        return self._ask("flag", stream_id, placement, mark, timeout=timeout)

    def picture(self, stream_id: str, placement: int, *, timeout: float, **what: Any) -> Any:
        return self._ask("picture", stream_id, placement, timeout=timeout, **what)

    def close(self, *, timeout: float) -> Any:
        return self._ask("close", timeout=timeout)

    def kill(self) -> None:
        """Stop what a killed process would stop, without its last words."""
        if not self.is_dead:
            self.is_dead = True
            threading.Thread(target=self.host.close, daemon=True).start()


class ClusterHere:
    """Nodes by name, with one core each."""

    def __init__(self, settings: Settings, engines: Engines, *names: str, cores: float = 1.0) -> None:
        self.settings, self.engines, self.cores = settings, engines, cores
        self.names = list(names)
        self.refusals: dict[str, str] = {}
        self.hosts: dict[str, HostHere] = {}  # the newest of each node
        self.all: list[HostHere] = []
        self.is_closed = False

    def nodes(self) -> Sequence[FleetNode]:
        return [FleetNode(name, name, self.cores, refusal=self.refusals.get(name, "")) for name in self.names]

    def open_host(self, node: FleetNode, slot: int) -> HostHere:
        host = HostHere(NodeHost(self.settings, load_engines=lambda: self.engines))
        self.hosts[node.id] = host
        self.all.append(host)
        return host

    def close(self) -> None:
        self.is_closed = True

    def end(self) -> None:
        """Stop all hosts that a test has left."""
        for host in self.all:
            host.host.close()
