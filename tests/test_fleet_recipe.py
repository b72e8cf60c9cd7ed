"""The two-machine recipe of docs/deployment/fleet.md, with both nodes on this machine."""

import os
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.waiting import until

pytest.importorskip("ray", reason="needs Ray (the extra fleet)")
pytestmark = [pytest.mark.fleet, pytest.mark.timeout(400)]

PAGE = Path(__file__).parent.parent / "docs" / "deployment" / "fleet.md"
START_TIME = 120.0  # seconds; a busy machine is slow
JOIN = """
import ray, sys
ray.init(address=sys.argv[1], log_to_driver=False)
print(sum(node["Alive"] for node in ray.nodes()))
"""


def own_address() -> str:
    """The address that Ray takes for this machine; it replaces 127.0.0.1 by it."""
    from ray.util import get_node_ip_address

    return str(get_node_ip_address())


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def commands(address: str, port: int) -> list[list[str]]:
    """The commands of the page for the head and for the node, with ports that are free here."""
    page = PAGE.read_text(encoding="utf-8")
    found = [shlex.split(one) for one in re.findall(r"^ray (start (?:.*\\\n)*.*)", page, re.MULTILINE)]
    assert len(found) == 2
    chosen = {"--port": str(port), "--address": f"{address}:{port}", "--node-ip-address": address}
    kept = {"--head", "--block", "--include-dashboard", "--object-store-memory", "--disable-usage-stats"}
    made = []
    for words in found:
        options = [word.partition("=") for word in words[1:] if word.startswith("--")]
        made.append(["start", "--num-cpus=1", "--include-log-monitor=false"])
        made[-1] += [f"{name}={chosen[name]}" for name, _, _ in options if name in chosen]
        made[-1] += [name + equals + value for name, equals, value in options if name in kept]
        others = {name for name, _, _ in options} - chosen.keys() - kept
        assert all(name.endswith("-port") for name in others), "only fixed ports are left out"
    return made


def processes(folder: Path) -> list[str]:
    """The processes that name the folder in their command line, as all those of a Ray node do."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [path.parent.name] if str(folder).encode() in path.read_bytes() else []
        except OSError:  # it has ended meanwhile
            continue
    return found


@contextmanager
def node(words: list[str], folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A running node; it ends with the block, by a SIGTERM to the command alone."""
    log = folder / "start.log"
    program = [str(Path(sys.executable).with_name("ray")), *words, f"--temp-dir={folder}"]
    with log.open("wb") as out:
        process = subprocess.Popen(program, env=environment, stdout=out, stderr=out, start_new_session=True)

    def is_ready() -> bool:
        assert process.poll() is None, log.read_text()
        return "Ray runtime started" in log.read_text()

    try:
        until(is_ready, seconds=START_TIME)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        until(lambda: not processes(folder), seconds=60)


def living(address: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", JOIN, address], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return done.stdout.strip() or done.stderr


def test_two_nodes_join_by_the_commands_of_the_page_and_end_by_a_signal() -> None:
    address, port = own_address(), free_port()
    head, other = commands(address, port)
    with tempfile.TemporaryDirectory(prefix="fr") as name:  # sockets need short paths
        folder = Path(name)
        environment = dict(os.environ) | {
            "HOME": name, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "OMP_NUM_THREADS": "1",
            "RAY_raylet_start_wait_time_s": "120",
        }  # fmt: skip
        (folder / "1").mkdir()
        (folder / "2").mkdir()
        with node(head, folder / "1", environment):
            with node(other, folder / "2", environment):
                assert living(f"{address}:{port}", environment) == "2"
                stranger = environment | {"RAY_AUTH_TOKEN": ""}
                assert "no authentication token was found" in living(f"{address}:{port}", stranger)
            until(lambda: living(f"{address}:{port}", environment) == "1", seconds=60)
