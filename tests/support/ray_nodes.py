"""Ray nodes on this machine, in a process of their own: ``RayNodes`` for tests; as a script, that process."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from support.waiting import until

TESTS = Path(__file__).parent.parent
SCRATCH = "deepfake-monitor-fleet-"  # of monitor.fleet.scratch_folder


class RayNodes:
    """A cluster of nodes with one CPU each; the first one is the head, and never killed.

    Args:
        count: nodes.
        environment: further variables of the nodes, and of the commands that ``run`` starts.
    """

    def __init__(self, count: int, *, environment: Mapping[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rn", dir="/tmp")
        self.scratch = Path(self._folder.name) / "scratch"
        self.scratch.mkdir()
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_TMPDIR": self._folder.name,
            "TMPDIR": str(self.scratch),
            **(environment or {}),
        }
        command = [sys.executable, str(Path(__file__)), str(count)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self.environment,
        )
        self.address: str = self._answer()["address"]
        self._numbers = list(range(count))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._ask("quit")
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)
        self._folder.cleanup()

    def add(self) -> None:
        """Adds a node."""
        self._ask("add")
        self._numbers.append(int(self._answer()["node"]))

    def kill_newest(self) -> None:
        """Kills all processes of the node that came last, with SIGKILL."""
        assert len(self._numbers) > 1, "the head stays"
        self._ask(f"kill {self._numbers.pop()}")
        self._answer()

    def start(self, *arguments: str | Path) -> "subprocess.Popen[str]":
        """Starts ``deepfake-monitor fleet analyze`` on this cluster."""
        command = [sys.executable, "-m", "monitor", "fleet", "analyze", *map(str, arguments), "--address", self.address]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment
        )

    def run(self, *arguments: str | Path, code: int = 0) -> str:
        """Runs it to its end; returns what it printed, both streams."""
        with self.start(*arguments) as process:
            said, errors = process.communicate(timeout=300)
        assert "Traceback" not in said + errors
        assert process.returncode == code, said + errors
        return said + errors

    def workers(self) -> dict[int, str]:
        """The name of the file in progress by the process id of each worker."""
        found = {}
        for folder in self.scratch.glob(f"{SCRATCH}*/results/.*.partial"):
            pid = int(folder.parent.parent.name.removeprefix(SCRATCH).partition("-")[0])
            if Path(f"/proc/{pid}").exists():
                found[pid] = folder.name[1:].rpartition("-")[0]
        return found

    def kill_worker_of(self, name: str, *, but: int | None = None) -> int:
        """Kills the worker that analyses the file ``name`` (no suffix), once it does; returns its process id."""

        def at_work() -> list[int]:
            return [pid for pid, file in self.workers().items() if file == name and pid != but]

        pid = until(at_work, seconds=120)[0]
        os.kill(pid, signal.SIGKILL)
        return pid

    def _ask(self, question: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:  # Ray prints there too
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        raise RuntimeError("the nodes could not be started")


def _serve(count: int) -> None:
    from ray.cluster_utils import Cluster

    arguments = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=arguments)
    nodes = [cluster.head_node]
    nodes += [cluster.add_node(wait=False, **arguments) for _ in range(count - 1)]
    cluster.wait_for_nodes(120)
    print(json.dumps({"address": cluster.address}), flush=True)
    for line in sys.stdin:
        command, _, number = line.strip().partition(" ")
        if command == "quit":
            break
        if command == "add":
            nodes.append(cluster.add_node(**arguments))
            print(json.dumps({"node": len(nodes) - 1}), flush=True)
        elif command == "kill":
            cluster.remove_node(nodes[int(number)], allow_graceful=False)
            print(json.dumps({"killed": number}), flush=True)
    for node in (*cluster.worker_nodes, cluster.head_node):
        cluster.remove_node(node, allow_graceful=False)


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    _serve(int(sys.argv[1]))
