"""Things that go wrong with a camera and the process that reads it, done on purpose and timed.

``tests/test_faults.py`` does each once or twice; ``tests/benchmarks/measure_faults.py`` often, and prints
what came of it.
"""

import contextlib
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from support import rtsp_server
from support.events import ENGINES
from support.observations import observation

from monitor.analysis.pipeline import Pipeline
from monitor.media.worker.isolated_source import IsolatedSource
from monitor.runtime import LoadShedder, Observers, StreamState, StreamSupervisor, Subscription
from monitor.runtime import supervisor as watch_module
from monitor.settings import Settings
from monitor.types import Frame, Observation
from monitor.types.events import Event, FrameAnalysed, StreamClosed, StreamOpened
from monitor.types.stats import SessionStats

PATIENCE = 60.0  # seconds until a watch that has not recovered never will


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Camera:
    """A real RTSP server on a port that stays the same, however often it dies."""

    def __init__(self, file: Path) -> None:
        self._file, self.port = file, free_port()
        self._server: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"rtsp://me:right@127.0.0.1:{self.port}/cam"

    @property
    def pid(self) -> int:
        assert self._server is not None
        return self._server.pid

    def start(self, *, password: str = "right") -> float:  # noqa: S107 - of a server that lives for seconds
        """Returns when it listens: the monotonic time of that."""
        options = ["--port", str(self.port), "--loop", "--user", "me", "--password", password]
        command = [rtsp_server.SYSTEM_PYTHON, rtsp_server.__file__, str(self._file), *options]
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._server.stdout is not None
        assert self._server.stdout.readline().startswith("rtsp://")
        return time.monotonic()

    def send(self, number: signal.Signals) -> float:
        assert self._server is not None
        self._server.send_signal(number)
        return time.monotonic()

    def kill(self) -> None:
        if self._server is not None:
            with self._server:
                self._server.kill()
            self._server = None


class Proxy:
    """Loopback TCP between the two; what passes from the camera may be damaged, slowed or held."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.damage: Callable[[bytes], bytes] = bytes
        self._threads: list[threading.Thread] = []
        self._ends: list[socket.socket] = [self._listener]
        self._start(self._accept)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                monitor_service, _ = self._listener.accept()
                self._ends.append(monitor_service)
                there = socket.create_connection(("127.0.0.1", self._target))
                self._ends.append(there)
                self._start(self._pass_on, monitor_service, there, False)
                self._start(self._pass_on, there, monitor_service, True)

    def _pass_on(self, one: socket.socket, other: socket.socket, damaged: bool) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(4096):
                other.sendall(self.damage(data) if damaged else data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up, and wait until all is quiet."""
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()


def flip(data: bytes) -> bytes:
    """One byte in a thousand is another, beyond the first words of the conversation."""
    if data.startswith(b"RTSP/"):
        return data
    changed = bytearray(data)
    for index in range(len(changed)):
        if random.random() < 0.001:
            changed[index] ^= 1 << random.randrange(8)
    return bytes(changed)


def crawl(data: bytes) -> bytes:
    time.sleep(len(data) / 20_000)  # 160 kbit/s
    return data


class Echo:
    """A pipeline that sees nothing: faults are not about faces."""

    def __init__(self, engines: object, settings: Settings, still: bool, live: bool, info: object) -> None: ...

    def step(self, frame: Frame, *, min_score_interval: float = 0.0, disordered: int = 0) -> Observation:
        return observation(index=frame.index, media_time=frame.media_time)

    def finish(self) -> tuple[tuple[()], tuple[()]]:
        return (), ()


@dataclass
class Witness:
    """An observer of a stream: when frames came, of which connection, and whether all were accounted for."""

    connection: int = 0
    pid: int = 0  # of the process that reads
    frames: int = 0
    times: deque[float] = field(default_factory=lambda: deque(maxlen=500))  # media times of the last frames
    first: dict[int, float] = field(default_factory=dict)  # connection -> monotonic time of its first frame
    unaccounted: list[Any] = field(default_factory=list)
    read: int = 0
    analysed: int = 0
    dropped: int = 0
    watch: StreamSupervisor | None = None

    def prepare(self, source: Any) -> None:
        self.pid = source.process.pid if isinstance(source, IsolatedSource) else os.getpid()

    def __call__(self, event: Event) -> None:
        match event:
            case StreamOpened(connection=connection):
                self.connection = connection
            case FrameAnalysed(frame=frame):
                self.frames += 1
                self.times.append(frame.media_time)
                self.first.setdefault(self.connection, time.monotonic())
            case StreamClosed(frames=stats):
                self._count(stats)

    def _count(self, stats: SessionStats) -> None:
        self.read += stats.frames_read
        self.analysed += stats.frames_analysed
        self.dropped += sum(stats.dropped.values())
        if stats.frames_read != stats.frames_analysed + sum(stats.dropped.values()):
            self.unaccounted.append(stats)


@contextlib.contextmanager
def watched(url: str, *, engines: Any = None, **source: Any) -> Iterator[tuple[StreamSupervisor, Witness]]:
    """A watch of a camera that shows pictures already; without engines nothing is looked for in them."""
    settings = Settings.model_validate({"source": {"max_pixels": 1920 * 1080, **source}})
    witness = Witness()
    with mock.patch.object(watch_module, "Pipeline", Pipeline if engines else Echo):
        watch = StreamSupervisor(
            url,
            engines=lambda: engines or ENGINES,
            settings=settings,
            observers=Observers([Subscription(witness, "test")]),
            prepare=witness.prepare,
            load=LoadShedder(),
        )
        witness.watch = watch
        watch.start()
        try:
            until(lambda: witness.frames > 0)
            yield watch, witness
        finally:
            watch.stop()


def until(true: Callable[[], object], *, timeout: float = PATIENCE) -> float:
    """Wait for it; the monotonic time when it was seen."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)
    return time.monotonic()


def recovered(witness: Witness, *, after: int, since: float) -> float:
    """Seconds from ``since`` to the first frame of an connection later than ``after``."""
    until(lambda: any(connection > after for connection in list(witness.first)))
    return max(0.0, min(when for connection, when in witness.first.items() if connection > after) - since)


def camera_killed(camera: Camera, watch: StreamSupervisor, witness: Witness, *, away: float) -> float:
    connection = witness.connection
    camera.kill()
    until(lambda: watch.status.state is StreamState.RECONNECTING)
    time.sleep(away)
    return recovered(witness, after=connection, since=camera.start())


def camera_frozen(camera: Camera, watch: StreamSupervisor, witness: Witness) -> tuple[float, float]:
    """Seconds until the stall is seen, and from the camera's return to the next picture."""
    frozen = camera.send(signal.SIGSTOP)
    stalled = until(lambda: watch.status.state in (StreamState.STALLED, StreamState.RECONNECTING)) - frozen
    until(lambda: watch.status.state is StreamState.RECONNECTING)
    connection = witness.connection
    return stalled, recovered(witness, after=connection, since=camera.send(signal.SIGCONT))


def reader_killed(witness: Witness, number: signal.Signals = signal.SIGKILL) -> float:
    connection = witness.connection
    os.kill(witness.pid, number)
    return recovered(witness, after=connection, since=time.monotonic())


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def children() -> int:
    """Processes that this one has started and that are there, zombies too."""
    mine = Path(f"/proc/{os.getpid()}/task")
    return sum(len((task / "children").read_text().split()) for task in mine.iterdir())


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
