"""``fleet serve`` as a process: one dashboard of streams on a node, and an end in time."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.fleet_nodes import FleetNodes, fleet_nodes

from monitor.flags.archive import FlagArchive
from monitor.settings import EvidenceSettings
from monitor.types import ClipState

pytestmark = [
    pytest.mark.fleet,
    pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals"),
    pytest.mark.timeout(300),
]
LONGEST = 5.0  # seconds from the signal to the end


@pytest.fixture(scope="module")
def nodes() -> Iterator[FleetNodes]:
    with fleet_nodes("studio") as nodes:
        yield nodes


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def until(process: subprocess.Popen[bytes], output: Path, holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 120
    while not (found := holds()):
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.2)
    return found


def serve(folder: Path, *options: str) -> tuple[subprocess.Popen[bytes], Path, int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "monitor", "fleet", "serve", "demo:", "--port", str(port), *options]
    command += ["--set", f"evidence.folder={folder / 'kept'}", "--set", "source.demo_seconds=9"]
    output = folder / "output"
    with output.open("wb") as log:
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log), output, port


def test_a_signal_ends_the_server_and_its_nodes_in_time(tmp_path: Path, nodes: FleetNodes) -> None:
    more = ("--set", "evidence.pre_roll=1", "--set", "evidence.post_roll=30")
    process, output, port = serve(tmp_path, "--address", nodes.address, *more)
    try:
        until(process, output, lambda: 'state="live"} 1' in get(port, "/metrics")[1])
        metrics = get(port, "/metrics")[1]
        assert 'node="studio"} 1.0' in metrics
        assert "deepfake_monitor_node_streams" in metrics
        checks = json.loads(get(port, "/readyz")[1])["checks"]
        assert any("(node studio)" in check["why"] for check in checks)

        def flags() -> list[Any]:
            with FlagArchive.open(EvidenceSettings(folder=tmp_path / "kept")) as archive:
                return archive.store.find()

        until(process, output, flags)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, output.read_text()
        assert time.monotonic() - began < LONGEST
        while any(flag.clip is ClipState.PENDING for flag in flags()):  # a busy node writes it after the server's end
            assert time.monotonic() - began < 60
            time.sleep(0.5)
        assert [flag.clip for flag in flags()] == [ClipState.KEPT] * len(flags())
        log = (tmp_path / "kept" / "logs" / "serve.log").read_text()
        assert "Traceback" not in log + output.read_text()
    finally:
        process.kill()
        process.wait(10)


def test_an_address_without_a_cluster_is_one_sentence(tmp_path: Path) -> None:
    process, output, _ = serve(tmp_path, "--address", "127.0.0.1:9")
    assert process.wait(60) == 1
    assert "127.0.0.1:9: no Ray cluster answers there" in " ".join(output.read_text().split())
    assert "Traceback" not in output.read_text()
