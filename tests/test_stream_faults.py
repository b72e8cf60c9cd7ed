"""Streams that change in the middle, lines that lose packets: nothing is seen that was not sent, and all is told."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support import broadcast, faults, rtsp_server
from support.clock import use_clock
from support.rtp_proxy import RtpProxy

from monitor import FrameAnalysed, watch
from monitor.analysis.pipeline import Engines, Pipeline
from monitor.media.media_clock import BREAK
from monitor.media.sources import open_source
from monitor.media.sources import reader as reader_module
from monitor.runtime import StreamState
from monitor.runtime import session as session_module
from monitor.runtime import supervisor as watch_module
from monitor.settings import Settings, SourceSettings
from monitor.types import Label, Observation, Reason

pytestmark = pytest.mark.fault

SECONDS, LONG = 3.0, 20.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="module")
def film(folder: Path) -> Callable[..., Path]:
    """Makes each film once."""
    made: dict[str, Path] = {}

    def filmed(name: str, **how: Any) -> Path:
        if name not in made:
            made[name] = broadcast.film(folder / name, **{"seconds": SECONDS, **how})
        return made[name]

    return filmed


def observed(path: Path, engines: Engines, settings: Settings) -> tuple[list[Observation], dict[str, int]]:
    with open_source(path, settings.source) as source:
        pipeline = Pipeline(engines, settings)
        return [pipeline.step(frame, disordered=source.disordered) for frame in source], dict(source.drops)


@pytest.mark.parametrize(
    ("before", "after"), [(0.0, 3600.0), (7200.0, 3600.0), (500.0, 0.0)], ids=["on", "back", "to 0"]
)
def test_no_verdict_is_carried_over_a_jump_of_the_timestamps(
    film: Callable[..., Path], tmp_path: Path, engines: Engines, settings: Settings, before: float, after: float
) -> None:
    path = tmp_path / "joined.ts"
    parts = [film(f"at {begins:.0f}.ts", begins=begins) for begins in (before, after)]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    seen, lost = observed(path, engines, settings)
    times = [one.media_time for one in seen]
    assert all(one < other for one, other in pairwise(times))
    jump = next(index for index, (one, other) in enumerate(pairwise(times), 1) if other - one > 1)
    old, new = seen[jump - 1], seen[jump]
    assert old.verdicts
    assert Reason.TOO_FEW_SAMPLES not in old.verdicts[0].reasons, "there was evidence"
    assert {summary.track_id for summary in new.ended_tracks} == set(old.tracked.track_ids.tolist())
    first = next(one for one in seen[jump:] if one.verdicts).verdicts[0]
    assert first.track_id > old.verdicts[0].track_id
    assert (first.label, first.reasons) == (Label.NOT_ENOUGH_EVIDENCE, (Reason.TOO_FEW_SAMPLES,))
    assert (times[jump] - times[jump - 1] > 3000) == (after > before)
    if after < before:
        assert times[jump] - times[jump - 1] == pytest.approx(BREAK, abs=0.1)
        assert lost == {"break in the timestamps": 1}


@pytest.mark.parametrize(
    ("name", "changed", "why"),
    [
        ("small.ts", {"size": (320, 180)}, "changed from 640 x 360 to 320 x 180 pixels"),
        ("hevc.ts", {"codec": "libx265"}, "did the stream change its coding"),
        ("mpeg2.ts", {"codec": "mpeg2video"}, "did the stream change its coding"),
    ],
)
def test_a_stream_that_changes_its_pictures_is_opened_anew(
    film: Callable[..., Path], name: str, changed: dict[str, Any], why: str
) -> None:
    before, after = film("long.ts", seconds=LONG), film(name, seconds=LONG, **changed)
    with broadcast.broadcast(before, seconds=LONG) as (url, programme):
        with faults.watched(url, read_timeout=2.0) as (watch, witness):
            programme.show(after.read_bytes(), LONG)
            faults.until(lambda: watch.status.state is StreamState.RECONNECTING)
            assert why in watch.status.reason
            faults.until(lambda: witness.connection == 2 and watch.status.state is StreamState.LIVE)
            info = watch.status.info
            assert info is not None
            assert (info.width, info.height) == changed.get("size", (640, 360))
        assert witness.unaccounted == []


def test_a_stream_that_begins_within_a_group_of_pictures_begins_with_its_next_key_frame(
    film: Callable[..., Path], tmp_path: Path
) -> None:
    whole = film("long.ts", seconds=LONG).read_bytes()
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole[len(whole) // 188 // 30 * 188 :])
    with broadcast.broadcast(cut, seconds=LONG - 0.3) as (url, _), faults.watched(url) as (watch, witness):
        faults.until(lambda: witness.frames > 25)
        assert watch.status.state is StreamState.LIVE
        assert witness.connection == 1
    assert witness.unaccounted == []


def test_a_wall_clock_that_is_set_harms_nothing(film: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    wall = use_clock(monkeypatch, reader_module, session_module)
    monkeypatch.setattr(watch_module, "open_isolated", open_source)  # its process would look at another clock
    states = set()
    stream = broadcast.broadcast(film("long.ts", seconds=LONG), seconds=LONG)
    with stream as (url, _), faults.watched(url) as (watch, witness):
        for ahead in (3600.0, -3600.0, 0.0):
            wall.ahead, seen = ahead, witness.frames
            faults.until(lambda seen=seen: states.add(watch.status.state) or witness.frames > seen + 25)
        session = watch._session
        assert session is not None
        latencies = list(session._counters.latencies)
        assert 0 < session.stats.seconds < 60
    assert states == {StreamState.LIVE}
    assert min(latencies) >= 0
    assert max(latencies) < 2, "on a machine that is busy"
    assert max(other - one for one, other in pairwise(witness.times)) < 1
    assert witness.unaccounted == []


@pytest.fixture
def proxy(film: Callable[..., Path]) -> Iterator[tuple[str, RtpProxy]]:
    """The address of a camera behind a line."""
    if reason := rtsp_server.missing():
        pytest.skip(reason)
    camera = faults.Camera(film("cam.mp4"))
    camera.start()
    with closing(RtpProxy(camera.port, seed=1)) as line:
        yield camera.url.replace(str(camera.port), str(line.port)), line
    camera.kill()


@pytest.mark.rtsp
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_packets_that_are_lost_cost_pictures_that_are_counted(proxy: tuple[str, RtpProxy], transport: str) -> None:
    url, line = proxy
    with faults.watched(url, rtsp_transport=transport) as (watch, witness):
        seen, line.loss = witness.frames, 0.05
        time.sleep(5)
        assert watch.status.state in (StreamState.LIVE, StreamState.STALLED)
        line.loss = 0.0
        assert line.dropped > 5
        faults.until(lambda: witness.frames > seen + 50)
        faults.until(lambda: watch.status.state is StreamState.LIVE)
        stats = watch.status.stats
        assert stats is not None
        assert stats.lost["corrupt picture"] > 0
        assert stats.lost["picture after a corrupt one"] > 0
        assert witness.connection == 1
    assert witness.unaccounted == []


@pytest.mark.rtsp
def test_verdicts_come_from_intact_pictures_alone_when_udp_loses_packets(
    film: Callable[..., Path], proxy: tuple[str, RtpProxy], engines: Engines
) -> None:
    with open_source(film("cam.mp4"), SourceSettings()) as source:
        sent = {frame.pixels.tobytes() for frame in source}
    url, line = proxy
    line.loss = 0.02
    seen: list[FrameAnalysed] = []
    settings = Settings.model_validate({"source": {"rtsp_transport": "udp"}})
    with watch(url, settings=settings, engines=engines) as events:
        for event in events:
            if isinstance(event, FrameAnalysed):
                seen.append(event)
            if line.dropped > 20 and len(seen) > 60 and any(len(one.observation.scores) for one in seen):
                break
    assert all(one.frame.pixels.tobytes() in sent for one in seen), "bit for bit"
    assert len(seen) > 60
    assert any(one.observation.verdicts and one.observation.verdicts[0].samples for one in seen)


@pytest.mark.rtsp
def test_losses_over_udp_are_shown_at_the_terminal_and_in_the_report(
    proxy: tuple[str, RtpProxy], tmp_path: Path
) -> None:
    url, line = proxy
    line.loss = 0.02
    options = ["--set", "source.rtsp_transport=udp", "--out", str(tmp_path / "kept"), "--duration", "8"]
    command = [sys.executable, "-m", "monitor", "watch", url, *options]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert said.returncode == 0, said.stderr
    assert line.dropped > 5
    (report,) = (tmp_path / "kept").glob("*/report.json")
    frames = json.loads(report.read_bytes())["frames"]
    lost = frames["lost"]
    assert lost["corrupt picture"] > 0
    assert lost["picture after a corrupt one"] > 0
    assert f"{lost['corrupt picture']} corrupt picture" in said.stdout
    assert frames["analysed"] > 0


@pytest.mark.rtsp
def test_a_line_that_loses_nearly_all_is_told_and_never_shows_damage(proxy: tuple[str, RtpProxy]) -> None:
    url, line = proxy
    with faults.watched(url, rtsp_transport="udp", read_timeout=1.0) as (watch, witness):
        line.loss = 0.3
        faults.until(lambda: "none of its pictures arrives intact" in watch.status.reason)
        assert witness.unaccounted == []
        connection, line.loss = witness.connection, 0.0
        faults.recovered(witness, after=connection, since=time.monotonic())


@pytest.mark.rtsp
@pytest.mark.parametrize("shift", [3600.0, -3600.0])
def test_a_jump_of_a_cameras_clock_goes_on_in_media_time(proxy: tuple[str, RtpProxy], shift: float) -> None:
    url, line = proxy
    times: list[float] = []
    with faults.watched(url, rtsp_transport="udp") as (watch, witness):
        assert witness.watch is watch
        before = witness.frames
        line.shift = shift
        faults.until(lambda: witness.frames > before + 50)
        times += witness.times
        assert watch.status.state is StreamState.LIVE
        assert witness.connection == 1
        stats = watch.status.stats
        assert stats is not None
        assert stats.lost["break in the timestamps"] > 0
    steps = [other - one for one, other in pairwise(times)]
    assert min(steps) > 0
    assert max(steps) == pytest.approx(BREAK, abs=0.2), "and not an hour"
