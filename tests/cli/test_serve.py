"""``serve`` as a process: it shows the page of the installed package, and stops in time and in order."""

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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from monitor.flags.archive import FlagArchive
from monitor.settings import EvidenceSettings
from monitor.types import ClipState, Origin

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals"),
    pytest.mark.timeout(300),
]
LONGEST = 5.0  # seconds from the signal to the end


class Served:
    """The real program on a free port with the demo and other sources."""

    def __init__(self, folder: Path, *sources: str, **settings: object) -> None:
        self.folder, self.log = folder / "kept", folder / "output"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "monitor", "serve", "demo:", *sources, "--port", str(self.port)]
        chosen = {"evidence.folder": self.folder} | {name.replace("__", "."): said for name, said in settings.items()}
        for name, said in chosen.items():
            command += ["--set", f"{name}={said}"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def until(self, holds: Callable[[], Any], *, seconds: float = 120) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)
        return found

    def ended(self, how: signal.Signals) -> float:
        """Seconds until the process has ended."""
        began = time.monotonic()
        self.process.send_signal(how)
        assert self.process.wait(60) == 0, self.log.read_text()
        return time.monotonic() - began


@contextmanager
def serving(folder: Path, *sources: str, **settings: object) -> Iterator[Served]:
    served = Served(folder, *sources, **settings)
    try:
        yield served
    finally:
        served.process.kill()
        served.process.wait(10)


@pytest.fixture
def silent() -> Iterator[str]:
    """A camera that accepts a connection and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"rtsp://ada:hush@127.0.0.1:{server.getsockname()[1]}/live"


def flagged(served: Served) -> list[Any]:
    with FlagArchive.open(EvidenceSettings(folder=served.folder)) as archive:
        return archive.store.find()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_in_time_and_saves_the_clips(
    tmp_path: Path, silent: str, how: signal.Signals
) -> None:
    settings = {"source__demo_seconds": 9, "evidence__pre_roll": 1, "evidence__post_roll": 30}
    with serving(tmp_path, silent, source__open_timeout=60, **settings) as served:
        served.until(lambda: served.get("/")[0] == 200)
        assert "<html" in served.get("/")[1]
        served.until(lambda: (served.folder / "flags.db").is_file() and flagged(served))
        (before,) = flagged(served)
        assert (before.origin, before.clip) == (Origin.AUTOMATIC, ClipState.PENDING)
        took = served.ended(how)
    assert took < LONGEST
    with FlagArchive.open(EvidenceSettings(folder=served.folder)) as archive:
        flag = archive.store.get(before.id)
        assert flag.clip is ClipState.KEPT, flag.clip_why
        assert archive.faults() == []
        assert archive.files.repair(archive.store).orphans == 0
    assert list(served.folder.rglob("*.partial")) == []
    said = served.log.read_text() + (served.folder / "logs" / "serve.log").read_text()
    assert "Traceback" not in said
    assert "hush" not in said


def test_the_server_becomes_ready_and_serves_metrics(tmp_path: Path) -> None:
    with serving(tmp_path, service__log_format="json") as served:
        served.until(lambda: served.get("/healthz") == (200, "ok\n"))
        served.until(lambda: served.get("/readyz")[0] == 200)
        assert json.loads(served.get("/readyz")[1])["ready"]
        assert served.get("/_stcore/health") == (200, "ok"), "Streamlit's own is still there"
        served.until(lambda: "frames_analysed_total" in served.get("/metrics")[1])
        assert 'source="Demo"' in served.get("/metrics")[1]
        assert "deepfake_monitor_heartbeat_healthy 1.0" in served.get("/metrics")[1]
        assert served.ended(signal.SIGTERM) < LONGEST
    lines = (served.folder / "logs" / "serve.log").read_text().splitlines()
    assert "starts on" in json.loads(lines[0])["message"]
    assert any(json.loads(line)["logger"] == "monitor.runtime.heartbeat" for line in lines)


def test_an_open_upload_does_not_delay_the_end(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        served.until(lambda: served.get("/healthz")[0] == 200)
        head = "PUT /monitor/upload?name=a.mp4 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\nbegun"
        with socket.create_connection(("127.0.0.1", served.port)) as upload:
            upload.sendall(head.encode())
            time.sleep(0.5)
            assert served.ended(signal.SIGTERM) < LONGEST


def test_a_client_of_the_events_does_not_delay_the_end_and_its_answer_is_whole(tmp_path: Path) -> None:
    with serving(tmp_path, access__mode="open") as served:
        served.until(lambda: served.get("/healthz")[0] == 200)
        address = f"http://127.0.0.1:{served.port}/api/v1/events"
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert answer.readline() == b"retry: 3000\n"
            assert served.ended(signal.SIGTERM) < LONGEST
            assert answer.read().endswith(b"\n\n"), "an incomplete answer would raise IncompleteRead"
    assert "Traceback" not in served.log.read_text()


def test_an_engine_build_does_not_delay_the_end(tmp_path: Path) -> None:
    with serving(tmp_path, cache_dir=tmp_path / "empty") as served:
        served.until(lambda: served.get("/healthz")[0] == 200)
        assert served.get("/readyz")[0] == 503, "they take some seconds"
        time.sleep(1.0)
        assert served.ended(signal.SIGTERM) < LONGEST
    assert "Traceback" not in served.log.read_text()


def test_a_signal_during_the_start_stops_the_program(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        served.until((served.folder / "flags.db").is_file)
        assert served.ended(signal.SIGTERM) < LONGEST


def test_a_used_port_is_one_sentence(cli: Callable, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = cli("serve", "--port", port, "--set", f"evidence.folder={tmp_path / 'kept'}")
    assert said.code == 2
    assert f"cannot listen on 127.0.0.1:{port}: another program uses this port" in said.err
    assert "Address already in use" not in said.err
    assert not (tmp_path / "kept").exists(), "nothing was begun"


def test_serving_other_machines_needs_a_sign_in(cli: Callable, tmp_path: Path) -> None:
    said = cli("serve", "--host", "0.0.0.0", "--set", f"evidence.folder={tmp_path / 'kept'}")  # noqa: S104
    assert said.code == 2
    assert "access.mode" in said.err
    assert not (tmp_path / "kept").exists()
