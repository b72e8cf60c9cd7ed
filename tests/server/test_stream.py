"""One watched source, from its address to what is kept."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.footage import decoded
from support.waiting import until

from monitor.analysis.pipeline import Engines
from monitor.errors import UsageError
from monitor.flags.archive import FlagArchive
from monitor.flags.files import CLIP, FACES, FRAME, OVERLAY, TRACE
from monitor.flags.recorder import FlagRequest
from monitor.runtime import BackgroundWorker, StreamState
from monitor.server.stream import Stream
from monitor.settings import EvidenceSettings, Settings, SourceSettings
from monitor.types import ClipState


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[FlagArchive]:
    with FlagArchive.open(EvidenceSettings(folder=tmp_path)) as archive:
        yield archive


@pytest.fixture
def worker(archive: FlagArchive) -> Iterator[BackgroundWorker]:
    with BackgroundWorker("clips") as worker:
        yield worker


@pytest.fixture
def tune(
    settings: Settings, engines: Engines, archive: FlagArchive, worker: BackgroundWorker
) -> Iterator[Callable[..., Stream]]:
    """Channels of this test; they are stopped at its end."""
    streams: list[Stream] = []

    def tuned(url: str = "demo:", *, name: str = "", repeat: bool = False, seconds: float = 2.0) -> Stream:
        ours = settings.model_copy(update={"source": SourceSettings(demo_seconds=seconds)})
        stream = Stream(
            url, name=name, engines=lambda: engines, settings=ours, archive=archive, worker=worker, repeat=repeat
        )
        streams.append(stream)
        return stream

    yield tuned
    for stream in streams:
        stream.stop()


def test_a_moment_of_the_demo_is_seen_flagged_and_kept(
    tune: Callable[..., Stream], archive: FlagArchive, worker: BackgroundWorker
) -> None:
    stream = tune()
    with pytest.raises(UsageError, match="no frame has been analysed yet"):
        stream.flag_recorder.flag(FlagRequest(connection=0, media_time=0.0, frame_index=0))
    assert stream.broadcaster.now is None
    stream.start()
    until(lambda: stream.status.state is StreamState.LIVE)
    until(lambda: (now := stream.broadcaster.now) and now["faces"] and stream.verdict_history.points)
    now, flagger = stream.broadcaster.now, stream.flag_recorder
    assert now is not None
    assert now["connection"] == stream.status.connection == stream.verdict_history.points[0].connection == 1

    mark = FlagRequest(connection=1, media_time=now["time"], frame_index=now["frame"], reporter="ada", note="odd")
    flag = flagger.flag(mark)
    assert (flag.source, flag.source_kind, flag.reporter, flag.note) == ("demo:", "demo", "ada", "odd")
    assert flag.clip is ClipState.PENDING
    assert {exhibit.name for exhibit in flag.exhibits} == {FRAME, OVERLAY, FACES, TRACE}
    folder = archive.files.folder(flag.id)
    assert {path.name for path in folder.iterdir()} == {FRAME, OVERLAY, FACES, TRACE}
    assert len(json.loads((folder / FACES).read_bytes())["faces"]) >= 1
    assert flagger.flag(mark) == flag, "the same mark twice is one flag"

    until(lambda: stream.status.state is StreamState.ENDED)
    worker.wait()
    kept = archive.store.get(flag.id)
    assert (kept.clip, {exhibit.name for exhibit in kept.exhibits} - {FRAME, OVERLAY, FACES, TRACE}) == (
        ClipState.KEPT,
        {CLIP},
    )
    times = [moment for moment, _ in decoded(folder / CLIP)]
    assert times[-1] > 1.0, "it goes on to the end of the stream"
    assert archive.files.faults(kept) == []


def test_a_repeated_file_begins_a_new_connection_everywhere(tune: Callable[..., Stream]) -> None:
    stream = tune(repeat=True, seconds=0.6)
    stream.start()
    until(
        lambda: (now := stream.broadcaster.now) is not None and now["connection"] >= 2 and stream.verdict_history.points
    )
    stream.stop()
    assert stream.broadcaster.now is not None
    assert stream.broadcaster.now["connection"] == stream.status.connection
    assert {point.connection for point in stream.verdict_history.points} <= {stream.status.connection}


def test_a_pause_holds_and_resuming_goes_on(tune: Callable[..., Stream]) -> None:
    stream = tune(seconds=20.0)
    stream.start()
    until(lambda: stream.status.state is StreamState.LIVE)
    stream.pause()
    until(lambda: stream.status.state is StreamState.PAUSED)
    seen = [stream.broadcaster.now]

    def is_settled() -> bool:
        """Whether the frames that were under way have come: none for half a second."""
        time.sleep(0.5)
        seen.append(stream.broadcaster.now)
        return seen[-1] is seen[-2]

    until(is_settled)
    held = stream.broadcaster.now
    time.sleep(0.5)
    assert stream.broadcaster.now is held
    stream.resume()
    until(lambda: stream.broadcaster.now is not held)


def test_who_looks_is_told_that_it_was_removed(tune: Callable[..., Stream]) -> None:
    stream = tune(seconds=20.0)
    stream.start()
    until(lambda: stream.broadcaster.now is not None)
    assert stream.broadcaster.over == ""
    stream.stop()
    assert stream.broadcaster.over == "the source was removed"
    last = stream.broadcaster.now
    time.sleep(0.15)
    assert stream.broadcaster.now is last


def test_a_password_is_shown_nowhere(tune: Callable[..., Stream]) -> None:
    stream = tune("rtsp://ada:hush@127.0.0.1:9/live?token=hush")
    assert stream.name == stream.address == "rtsp://ada:***@127.0.0.1:9/live?token=***"
    stream.start()
    until(lambda: stream.status.state is StreamState.RECONNECTING)
    assert stream.status.reason
    assert "hush" not in stream.status.reason
    assert tune("demo:", name="Door").name == "Door"


def test_each_channel_has_an_id_of_its_own(tune: Callable[..., Stream]) -> None:
    assert len({tune().id for _ in range(5)}) == 5
