"""How soon are the streams of a killed node live elsewhere, and does a flag that was told exist?

    PYTHONPATH=tests:. python tests/benchmarks/fleet_live.py [--streams 10] [--kills 5]

Two real Ray nodes on this machine watch small files (480x360, 5 frames a second, one face), again and again. A person
flags the streams in turn. Then all processes of one node are killed with SIGKILL; the time runs until each of its
streams has a new picture from another node. A new node joins, the streams spread again, and the next kill follows.
At the end, the flags that the person was told of are compared with those in the database and with their files.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

from support.fleet_nodes import FleetNodes, fleet_nodes
from support.footage import posed
from support.waiting import until

from monitor.errors import MonitorError
from monitor.flags.archive import FlagArchive
from monitor.flags.recorder import FlagRequest
from monitor.fleet.ray_hosts import RayCluster
from monitor.fleet.stream_fleet import StreamFleet
from monitor.media.video_writer import VideoWriter
from monitor.runtime import StreamState
from monitor.server.service import MonitorService
from monitor.server.stream import Stream
from monitor.settings import DashboardSettings, EvidenceSettings, FleetSettings, Settings
from monitor.types import ClipState

FPS, SECONDS = 5, 120
FLAG_PAUSE = 0.2  # seconds between two flags


def small_clip(path: Path) -> Path:
    """A clip with one face that moves a little."""
    with VideoWriter(path, fps=FPS) as video:
        for number in range(FPS * SECONDS):
            shift = 10 * (number % 20) / 20
            video.write(posed((220.0 + shift, 180.0, 150.0), width=480, height=360), number / FPS)
    return path


class Reviewer(threading.Thread):
    """Flags the newest picture of one stream after the other."""

    def __init__(self, streams: list[Stream]) -> None:
        super().__init__(daemon=True)
        self._streams, self._is_over = streams, threading.Event()
        self.told: list[str] = []
        self.refused: list[str] = []

    def run(self) -> None:
        while not self._is_over.is_set():
            for stream in self._streams:
                now = stream.broadcaster.now
                if now is None:
                    continue
                mark = FlagRequest(
                    connection=now["connection"], media_time=now["time"], frame_index=now["frame"], reporter="ada"
                )
                try:
                    self.told.append(stream.flag_recorder.flag(mark).id)
                except MonitorError as error:
                    self.refused.append(str(error))
                self._is_over.wait(FLAG_PAUSE)

    def end(self) -> None:
        self._is_over.set()
        self.join(60)


def is_live(stream: Stream) -> bool:
    return stream.status.state is StreamState.LIVE and bool(stream.node)


def kill_one(nodes: FleetNodes, fleet: StreamFleet, streams: list[Stream], joins: str) -> tuple[str, int, float]:
    """Kill the node with the most streams: its name, the number of its streams, seconds until all are live."""
    names = [stream.node for stream in streams]
    victim = max(set(names), key=names.count)
    moved = [(stream, stream.status.connection) for stream in streams if stream.node == victim]
    nodes.kill(victim, *fleet.process_ids[victim])
    began = time.monotonic()
    until(
        lambda: all(
            is_live(stream) and stream.node != victim and (stream.broadcaster.now or {}).get("connection", 0) > before
            for stream, before in moved
        ),
        seconds=120,
    )
    took = time.monotonic() - began
    nodes.add(joins)
    until(lambda: len({stream.node for stream in streams}) == 2 and all(map(is_live, streams)), seconds=180)
    return victim, len(moved), took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=10)
    parser.add_argument("--kills", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, fleet_nodes("node-0", "node-1") as nodes:
        clip = small_clip(Path(folder) / "small.mp4")
        settings = Settings(
            evidence=EvidenceSettings(folder=Path(folder) / "kept", pre_roll=1.0, post_roll=1.0),
            dashboard=DashboardSettings(sources=()),
            fleet=FleetSettings(streams_per_core=asked.streams, settle_time=2.0, namespace="tests"),
        )

        def place(archive: FlagArchive) -> StreamFleet:
            return StreamFleet(RayCluster(settings), settings=settings.fleet, archive=archive)

        service = MonitorService.open(settings, placement=place)
        fleet = service._placement
        assert isinstance(fleet, StreamFleet)
        fleet.begin()
        try:
            until(lambda: len(fleet.process_ids) == 2, seconds=180)
            streams = [
                service.add(str(clip), name=f"file {number}", repeat=True, trusted=True)
                for number in range(asked.streams)
            ]
            until(lambda: all(map(is_live, streams)), seconds=180)
            reviewer = Reviewer(streams)
            reviewer.start()
            until(lambda: len(reviewer.told) >= asked.streams)
            times = []
            for kill in range(asked.kills):
                victim, count, took = kill_one(nodes, fleet, streams, joins=f"node-{kill + 2}")
                times.append(took)
                print(
                    f"{victim} killed with {count} of {len(streams)} streams: all live after {took:.1f} s", flush=True
                )
            reviewer.end()
            print(f"seconds until all are live: median {median(times):.1f}, worst {max(times):.1f}")
            store = service.archive.store
            until(lambda: all(flag.clip is not ClipState.PENDING for flag in store.find(limit=10_000)), seconds=180)
            flags = store.find(limit=10_000)
            found = {flag.id for flag in flags if flag.reporter == "ada"}
            told = set(reviewer.told)
            print(
                f"flags told {len(told)}, found {len(found)}, told but not found {len(told - found)}, found but not "
                f"told {len(found - told)}; refused with a sentence {len(reviewer.refused)}"
            )
            kept = sum(flag.clip is ClipState.KEPT for flag in flags)
            faults = [fault for flag in flags for fault in service.archive.files.faults(flag)]
            print(f"clips: {kept} kept, {len(flags) - kept} missing with a reason; files at fault: {len(faults)}")
            for sentence in sorted(set(reviewer.refused))[:6]:
                print("refused:", sentence)
        finally:
            service.close()


if __name__ == "__main__":
    main()
