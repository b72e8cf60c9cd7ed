"""Streams on real nodes of a Ray cluster: placed, killed, flagged."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from support.fleet_nodes import FleetNodes, fleet_nodes
from support.waiting import until

from monitor.errors import MonitorError, UsageError
from monitor.flags.archive import FlagArchive
from monitor.flags.recorder import FlagRequest
from monitor.runtime import StreamState
from monitor.server.service import MonitorService
from monitor.server.stream import Stream
from monitor.settings import DashboardSettings, EvidenceSettings, FleetSettings, Settings, SourceSettings
from monitor.types import ClipState

if TYPE_CHECKING:
    from monitor.fleet.stream_fleet import StreamFleet

pytest.importorskip("ray", reason="needs the extra fleet")
pytestmark = [pytest.mark.fleet, pytest.mark.timeout(300)]
FLEET = FleetSettings(streams_per_core=4, settle_time=1.0, namespace="tests")
LONGEST = 10.0  # seconds from the loss of a node until all streams are live


@pytest.fixture(scope="module")
def nodes() -> Iterator[FleetNodes]:
    with fleet_nodes("one", "two") as nodes:
        yield nodes


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Settings:
    return settings.model_copy(
        update={
            "evidence": EvidenceSettings(folder=tmp_path_factory.mktemp("kept"), pre_roll=1.0, post_roll=1.0),
            "source": SourceSettings(demo_seconds=60.0),
            "dashboard": DashboardSettings(sources=()),
            "fleet": FLEET,
        }
    )


def opened(settings: Settings) -> MonitorService:
    from monitor.fleet.ray_hosts import RayCluster
    from monitor.fleet.stream_fleet import StreamFleet

    def place(archive: FlagArchive) -> StreamFleet:
        return StreamFleet(RayCluster(settings), settings=settings.fleet, archive=archive)

    service = MonitorService.open(settings, placement=place)
    fleet_of(service).begin()
    return service


def fleet_of(service: MonitorService) -> "StreamFleet":
    from monitor.fleet.stream_fleet import StreamFleet

    assert isinstance(service._placement, StreamFleet)
    return service._placement


def is_live(stream: Stream) -> bool:
    return stream.status.state is StreamState.LIVE and stream.broadcaster.now is not None


def watch(service: MonitorService, count: int) -> list[Stream]:
    """Streams on both nodes."""
    until(lambda: len(fleet_of(service).process_ids) == 2, seconds=120)
    streams = [service.add("demo:", name=f"demo {number}", repeat=True) for number in range(count)]
    until(lambda: all(map(is_live, streams)), seconds=120)
    assert len({stream.node for stream in streams}) == 2
    return streams


def flag(stream: Stream) -> str:
    """The id of a new flag."""
    now = stream.broadcaster.now
    assert now is not None
    mark = FlagRequest(connection=now["connection"], media_time=now["time"], frame_index=now["frame"], reporter="ada")
    return stream.flag_recorder.flag(mark).id


def stored(service: MonitorService) -> set[str]:
    """The ids of the flags of a person."""
    return {flag.id for flag in service.archive.store.find(limit=1000) if flag.reporter == "ada"}


def test_a_flag_on_a_node_is_stored_with_its_files(nodes: FleetNodes, ours: Settings) -> None:
    service = opened(ours)
    try:
        streams = watch(service, 2)
        told = [flag(stream) for stream in streams]
        until(lambda: all(service.archive.store.get(one).clip is ClipState.KEPT for one in told), seconds=60)
        assert service.archive.faults() == []
        assert service.archive.store.get(told[0]).source == "demo:"
        with pytest.raises(UsageError, match="not been analysed yet"):
            streams[0].flag_recorder.flag(
                FlagRequest(connection=streams[0].status.connection, media_time=1e6, frame_index=1)
            )
        number, still = streams[0].broadcaster.still() or (0, b"")
        assert number
        assert still.startswith(b"\xff\xd8")
    finally:
        began = time.monotonic()
        service.close()
    assert time.monotonic() - began < 5
    assert service.hanging == 0


def test_a_killed_node_costs_no_stream_and_no_flag_that_was_told(nodes: FleetNodes, ours: Settings) -> None:
    service = opened(ours)
    told, refused, stop = [], [], threading.Event()

    def flag_all() -> None:
        while not stop.is_set():
            for stream in streams:
                try:
                    told.append(flag(stream))
                except MonitorError as error:
                    refused.append(str(error))
                time.sleep(0.05)

    try:
        streams = watch(service, 3)
        before = stored(service)
        reviewer = threading.Thread(target=flag_all)
        reviewer.start()
        until(lambda: len(told) >= 3)
        nodes.kill("two", *fleet_of(service).process_ids["two"])
        began = time.monotonic()
        until(lambda: all(stream.node == "one" and is_live(stream) for stream in streams), seconds=60)
        assert time.monotonic() - began < LONGEST
        stop.set()
        reviewer.join()
        assert stored(service) - before == set(told)
        assert all(text and "\n" not in text and "Error" not in text for text in refused), refused
        until(lambda: all(f.clip is not ClipState.PENDING for f in service.archive.store.find(limit=1000)), seconds=60)
    finally:
        stop.set()
        service.close()
        nodes.add("three")


def test_a_new_server_finds_the_hosts_of_a_lost_one(nodes: FleetNodes, ours: Settings) -> None:
    service = opened(ours)
    watch(service, 2)
    before = fleet_of(service).process_ids
    lose(service)
    other = opened(ours)
    try:
        streams = watch(other, 2)
        assert fleet_of(other).process_ids == before
        assert all(stream.metrics.totals.openings == 1 for stream in streams)
    finally:
        other.close()


def lose(service: MonitorService) -> None:
    """End a server without a word to its hosts, as a killed process does."""
    fleet = fleet_of(service)
    for timer in (*fleet._timers, *(link._timer for link in fleet._links.values())):
        timer.stop()
    fleet._links.clear()
    service.close()


def test_a_killed_host_is_opened_again_on_its_node(nodes: FleetNodes, ours: Settings) -> None:
    service = opened(ours)
    try:
        streams = watch(service, 2)
        (killed,) = fleet_of(service).process_ids["one"]
        os.kill(killed, signal.SIGKILL)
        began = time.monotonic()
        until(lambda: all(stream.node == "three" and is_live(stream) for stream in streams), seconds=60)
        assert time.monotonic() - began < LONGEST
        until(lambda: len({stream.node for stream in streams}) == 2 and all(map(is_live, streams)), seconds=120)
        assert fleet_of(service).process_ids["one"] != [killed]
    finally:
        service.close()


def test_the_reason_why_a_process_does_not_start_is_one_clause() -> None:
    from monitor.fleet.ray_hosts import _describe_end

    text = (
        "The actor died because of an error raised in its creation task, ray::x\nTraceback:\n  No module named 'av'\n"
    )
    assert _describe_end(text) == (
        "its process does not start (No module named 'av'); all nodes need the same version of this program"
    )
    assert _describe_end("The actor died unexpectedly before finishing this task.") == "its process has ended"
