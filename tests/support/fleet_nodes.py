"""A real Ray cluster of small nodes on this machine, for tests: nodes come, and are killed."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

_STORE = 80 << 20  # bytes, of each node's object store


class FleetNodes:
    """Nodes by name; the first one of Ray has no core and takes no streams."""

    def __init__(self, folder: str) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "object_store_memory": _STORE, "include_dashboard": False, "temp_dir": folder}
        self.cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self.nodes: dict[str, Any] = {}

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self, name: str, *, cores: int = 1) -> None:
        """Add a node."""
        self.nodes[name] = self.cluster.add_node(
            num_cpus=cores, object_store_memory=_STORE, node_name=name, include_dashboard=False
        )

    def kill(self, name: str, *hosts: int) -> None:
        """Kill the processes of a node with SIGKILL: its raylet, and the actors with these process ids."""
        processes = self.nodes.pop(name).all_processes.values()
        for process_id in [*hosts, *(info.process.pid for infos in processes for info in infos)]:
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)


@contextmanager
def fleet_nodes(*names: str, cores: int = 1) -> Iterator[FleetNodes]:
    """A cluster of nodes, which this process has joined; it ends with the block."""
    ray = pytest.importorskip("ray", reason="needs the extra fleet")
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    nodes = FleetNodes(folder)
    try:
        for name in names:
            nodes.add(name, cores=cores)
        ray.init(address=nodes.address, namespace="tests", log_to_driver=False, logging_level="ERROR")
        yield nodes
    finally:
        ray.shutdown()
        nodes.cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
