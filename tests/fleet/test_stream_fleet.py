"""Streams on the nodes of a cluster in this process: placed, moved, lost, flagged."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.fleet import ClusterHere
from support.waiting import until

from monitor.analysis.pipeline import Engines
from monitor.errors import ConflictError, UsageError
from monitor.flags.archive import FlagArchive
from monitor.flags.recorder import FlagRequest
from monitor.fleet.stream_fleet import StreamFleet
from monitor.runtime import StreamState
from monitor.server.service import MonitorService
from monitor.server.stream import Stream
from monitor.settings import DashboardSettings, EvidenceSettings, FleetSettings, Settings, SourceSettings
from monitor.types import ClipState

FAST = FleetSettings(streams_per_core=2, node_timeout=1.5, lease=3.0, settle_time=0.5, overload_time=1.0)


@pytest.fixture
def ours(tmp_path: Path, settings: Settings) -> Settings:
    return settings.model_copy(
        update={
            "evidence": EvidenceSettings(folder=tmp_path / "kept", pre_roll=1.0, post_roll=1.0),
            "source": SourceSettings(demo_seconds=60.0),
            "dashboard": DashboardSettings(sources=()),
            "fleet": FAST,
        }
    )


@pytest.fixture
def cluster(ours: Settings, engines: Engines) -> Iterator[ClusterHere]:
    cluster = ClusterHere(ours, engines, "one", "two")
    yield cluster
    cluster.end()


@pytest.fixture
def service(ours: Settings, cluster: ClusterHere) -> Iterator[MonitorService]:
    def place(archive: FlagArchive) -> StreamFleet:
        return StreamFleet(cluster, settings=ours.fleet, archive=archive)

    service = MonitorService.open(ours, placement=place)
    service._placement.begin()  # type: ignore[union-attr]
    yield service
    service.close()


def is_live(stream: Stream) -> bool:
    return stream.status.state is StreamState.LIVE and stream.broadcaster.now is not None


def live(service: MonitorService, count: int) -> list[Stream]:
    streams = [service.add("demo:", name=f"demo {number}", repeat=True) for number in range(count)]
    until(lambda: all(map(is_live, streams)), seconds=60)
    return streams


def flag_of(stream: Stream) -> FlagRequest:
    now = stream.broadcaster.now
    assert now is not None
    return FlagRequest(connection=now["connection"], media_time=now["time"], frame_index=now["frame"], reporter="ada")


def test_streams_are_spread_and_show_their_verdicts(service: MonitorService) -> None:
    streams = live(service, 2)
    assert {stream.node for stream in streams} == {"one", "two"}
    until(lambda: all(stream.verdict_history.points and stream.verdict_log.newest for stream in streams), seconds=30)
    until(lambda: all(stream.metrics.totals.analysed > 5 for stream in streams), seconds=30)
    assert [(node.name, node.state, node.streams, node.capacity) for node in service.nodes] == [
        ("one", "ready", 1, 2),
        ("two", "ready", 1, 2),
    ]


def test_a_lost_node_loses_no_stream(service: MonitorService, cluster: ClusterHere) -> None:
    streams = live(service, 2)
    lost = next(stream for stream in streams if stream.node == "one")
    before = lost.status.connection
    totals = lost.metrics.totals
    cluster.names.remove("one")
    cluster.hosts["one"].kill()
    until(lambda: lost.node == "two" and is_live(lost) and lost.status.connection > before, seconds=20)
    until(lambda: lost.metrics.totals.analysed > totals.analysed, seconds=20)
    assert lost.metrics.totals.openings == before + 1
    assert [node.name for node in service.nodes] == ["two"]


def test_a_silent_node_is_lost_after_the_timeout_and_stops_its_streams(
    service: MonitorService, cluster: ClusterHere
) -> None:
    (stream,) = live(service, 1)
    node = stream.node
    cluster.hosts[node].is_silent = True
    began = time.monotonic()
    until(lambda: stream.node not in ("", node) and is_live(stream), seconds=20)
    assert time.monotonic() - began < 10
    until(lambda: not cluster.hosts[node].host._streams or cluster.hosts[node].is_dead, seconds=10)


def test_a_stream_without_room_waits_with_a_reason_until_a_node_comes(
    service: MonitorService, cluster: ClusterHere
) -> None:
    live(service, 4)
    late = service.add("demo:", name="late", repeat=True)
    until(lambda: late.status.state is StreamState.WAITING and late.status.reason, seconds=10)
    assert late.status.reason == (
        "no node has room: the nodes hold 4 streams, fewer if they are overloaded; add a node, or remove a source"
    )
    with pytest.raises(ConflictError, match="no node watches demo: now"):
        late.flag_recorder.flag(FlagRequest(connection=0, media_time=0.0, frame_index=0))
    cluster.names.append("three")
    until(lambda: late.node == "three" and is_live(late), seconds=20)


def test_streams_spread_again_when_a_node_joins(service: MonitorService, cluster: ClusterHere) -> None:
    cluster.names.remove("two")
    until(lambda: [node.name for node in service.nodes] == ["one"], seconds=10)
    streams = live(service, 2)
    assert {stream.node for stream in streams} == {"one"}
    cluster.names.append("two")
    until(lambda: {stream.node for stream in streams} == {"one", "two"} and all(map(is_live, streams)), seconds=20)
    placements = [stream._run.placement for stream in streams]  # type: ignore[attr-defined]
    time.sleep(2.5)
    assert [stream._run.placement for stream in streams] == placements, "and then they stay"  # type: ignore[attr-defined]


def test_an_overloaded_node_gives_one_stream_away_and_gets_it_not_back(
    service: MonitorService, cluster: ClusterHere
) -> None:
    streams = live(service, 3)
    names = [stream.node for stream in streams]
    busy = max(set(names), key=names.count)
    cluster.hosts[busy].host._load.level = 3
    cluster.names.append("three")
    until(lambda: [stream.node for stream in streams].count(busy) == 1 and all(map(is_live, streams)), seconds=30)
    assert next(node for node in service.nodes if node.name == busy).load_level == 3
    cluster.hosts[busy].host._load.level = 0
    time.sleep(2.0)
    assert [stream.node for stream in streams].count(busy) == 1


def test_a_flag_is_told_when_it_is_stored(service: MonitorService) -> None:
    (stream,) = live(service, 1)
    flag = stream.flag_recorder.flag(flag_of(stream))
    assert service.archive.store.get(flag.id).reporter == "ada"
    until(lambda: service.archive.store.get(flag.id).clip is ClipState.KEPT, seconds=30)
    assert service.archive.faults() == []
    until(lambda: stream.metrics.totals.flags >= 1)


def test_a_flag_on_a_lost_node_is_a_sentence_or_is_stored(service: MonitorService, cluster: ClusterHere) -> None:
    (stream,) = live(service, 1)
    first = flag_of(stream)
    told = [stream.flag_recorder.flag(first).id]
    until(lambda: flag_of(stream).frame_index > first.frame_index + 25)  # another moment: the same one is the same flag
    host = cluster.hosts[stream.node]
    answer = host.host.flag
    host.host.flag = lambda *arguments: [answer(*arguments), setattr(host, "is_dead", True)][0]  # type: ignore[assignment, method-assign]
    told.append(stream.flag_recorder.flag(flag_of(stream)).id)  # stored, but the answer was lost
    host.host.flag = answer  # type: ignore[method-assign]
    with pytest.raises(ConflictError, match=r"nothing was flagged|no node watches"):
        stream.flag_recorder.flag(flag_of(stream))
    found = {flag.id for flag in service.archive.store.find() if flag.reporter == "ada"}
    assert found == set(told)


def test_an_answer_that_never_comes_leaves_no_files(service: MonitorService, cluster: ClusterHere) -> None:
    (stream,) = live(service, 1)
    cluster.hosts[stream.node].is_dead = True
    with pytest.raises(ConflictError, match=r"nothing was flagged: node (one|two) was lost meanwhile|no node watches"):
        stream.flag_recorder.flag(flag_of(stream))
    assert [flag for flag in service.archive.store.find() if flag.reporter == "ada"] == []


def test_pending_clips_of_a_lost_node_are_recorded_as_missing(service: MonitorService, cluster: ClusterHere) -> None:
    (stream,) = live(service, 1)
    node, host = stream.node, cluster.hosts[stream.node]
    host.host._worker.do(lambda: time.sleep(5))  # the clip cannot be written before the end
    flag = stream.flag_recorder.flag(flag_of(stream))
    host.is_dead = True
    found = until(lambda: (now := service.archive.store.get(flag.id)).clip is ClipState.MISSING and now, seconds=20)
    assert found.clip_why == f"node {node} was lost before the clip was written"


def test_pictures_travel_only_while_somebody_looks(service: MonitorService, cluster: ClusterHere) -> None:
    import asyncio

    (stream,) = live(service, 1)

    def sent() -> int:
        return sum(host.host._outbox.picture_bytes for host in cluster.all)

    assert (sent(), stream.broadcaster.face(1)) == (0, None)

    async def look() -> list[dict[str, Any]]:
        heads = []
        with stream.broadcaster.viewing("tab") as viewer:
            while len(heads) < 3:
                await asyncio.wait_for(viewer.arrived.wait(), 20)
                viewer.arrived.clear()
                found = await asyncio.to_thread(stream.broadcaster.message, viewer)
                if found is not None:
                    heads.append(found[0])
                    assert found[1].endswith(b"\xff\xd9"), "the message ends with a JPEG"
            face = next(iter(heads[-1]["faces"]), None)
            if face is not None:
                await asyncio.to_thread(stream.broadcaster.face, face["id"])
        return heads

    heads = asyncio.run(look())
    assert [head["frame"] for head in heads] == sorted({head["frame"] for head in heads})
    until(lambda: not stream.broadcaster.viewers)
    time.sleep(1.0)
    seen = sent()
    assert seen > 0
    time.sleep(1.0)
    assert sent() == seen
    number, still = stream.broadcaster.still() or (0, b"")
    assert number
    assert still.startswith(b"\xff\xd8")
    assert sent() == seen, "a still is asked for by itself"


def test_a_pause_holds_over_the_loss_of_the_node(service: MonitorService, cluster: ClusterHere) -> None:
    (stream,) = live(service, 1)
    stream.pause()
    until(lambda: stream.status.state is StreamState.PAUSED, seconds=20)
    cluster.hosts[stream.node].is_dead = True
    until(lambda: stream.node == "", seconds=20)
    time.sleep(1.0)
    assert (stream.node, stream.status.state) == ("", StreamState.PAUSED)
    stream.resume()
    until(lambda: is_live(stream) and stream.node, seconds=20)


def test_a_removed_stream_ends_on_its_node(service: MonitorService, cluster: ClusterHere) -> None:
    (stream,) = live(service, 1)
    host = cluster.hosts[stream.node].host
    assert len(host._streams) == 1
    service.remove(stream.id)
    assert stream.broadcaster.over == "the source was removed"
    until(lambda: not host._streams, seconds=10)
    assert stream.verdict_log.newest is None, "the last event arrived"


def test_a_device_and_a_wrong_address_stay_on_this_machine(service: MonitorService) -> None:
    placement = service._placement
    assert placement is not None
    urls = ("rtsp://camera/live", "demo:", "webcam:0", "screen:", "foo://bar")
    assert [placement.can_place(url) for url in urls] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_a_node_that_refuses_says_why(service: MonitorService, cluster: ClusterHere) -> None:
    cluster.refusals = {"three": "it has another disk"}
    cluster.names[:] = ["three"]
    until(lambda: [(node.name, node.state) for node in service.nodes] == [("three", "it has another disk")], seconds=10)
    stream = service.add("demo:", repeat=True)
    wanted = "no node takes streams: three: it has another disk"
    until(lambda: (stream.status.state, stream.status.reason) == (StreamState.WAITING, wanted), seconds=10)


def test_the_lease_is_longer_than_the_timeout(ours: Settings, cluster: ClusterHere, tmp_path: Path) -> None:
    with FlagArchive(tmp_path / "other") as archive, pytest.raises(UsageError, match=r"fleet\.lease is 2 s"):
        StreamFleet(cluster, settings=FleetSettings(lease=2.0, node_timeout=3.0), archive=archive)


def test_the_end_saves_the_clips(ours: Settings, cluster: ClusterHere) -> None:
    def place(archive: FlagArchive) -> StreamFleet:
        return StreamFleet(cluster, settings=ours.fleet, archive=archive)

    service = MonitorService.open(ours, placement=place)
    service._placement.begin()  # type: ignore[union-attr]
    (stream,) = live(service, 1)
    flag = stream.flag_recorder.flag(flag_of(stream))
    began = time.monotonic()
    service.close()
    assert time.monotonic() - began < 5
    assert cluster.is_closed
    with FlagArchive.open(ours.evidence) as archive:
        assert archive.store.get(flag.id).clip is ClipState.KEPT
