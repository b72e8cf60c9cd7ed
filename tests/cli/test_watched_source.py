import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
from support.events import AT, analyse_frame, close_stream, open_stream

from monitor.analysis.pipeline import Engines, Pipeline
from monitor.cli.watched_source import WatchedSource
from monitor.errors import EngineError, OutputError, SourceUnavailableError
from monitor.media.sources import Source, open_source
from monitor.runtime import LoadShedder, StreamState, StreamStatus
from monitor.settings import Settings, SourceSettings
from monitor.types.events import StreamStateChanged
from monitor.types.stats import SessionStats


@pytest.fixture
def make(engines: Engines, settings: Settings, tmp_path: Path) -> Callable[..., WatchedSource]:
    def made(url: str = "demo:", **changes: Any) -> WatchedSource:
        plain: dict[str, Any] = {"out": tmp_path / "kept", "patient": False, "as_json": False, "named": False}
        return WatchedSource(url, engines=engines, settings=settings, load=LoadShedder(), **plain | changes)

    return made


@pytest.fixture
def demo() -> Iterator[Source]:
    with open_source("demo:", SourceSettings(demo_seconds=1)) as source:
        yield source


def status(state: StreamState, reason: str = "", *, connection: int = 1) -> StreamStatus:
    return StreamStatus(state, reason, connection, 2, 1.5, None, None)


def state(state: StreamState, reason: str = "") -> StreamStateChanged:
    return StreamStateChanged(
        stream="demo:", connection=1, at=AT, state=state, reason=reason, attempt=2, retry_after=1.5
    )


def begin(one: WatchedSource, source: Source) -> None:
    one._prepare(source)
    open_stream(one, source=source.info, live=False)


def end(one: WatchedSource, *, analysed: int, error: Exception | None = None) -> None:
    close_stream(one, frames=SessionStats(analysed, analysed, {}, {}, 1.0, None, None), error=error)


def seen(one: WatchedSource, source: Source, engines: Engines, settings: Settings, *, frames: int) -> None:
    pipeline = Pipeline(engines, settings)
    for frame, _ in zip(source, range(frames), strict=False):
        analyse_frame(one, frame, pipeline.step(frame))


def test_an_opening_leaves_results_and_says_what_came_of_it(
    make: Callable[..., WatchedSource],
    demo: Source,
    engines: Engines,
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = make(named=True)
    begin(one, demo)
    seen(one, demo, engines, settings, frames=8)
    end(one, analysed=8, error=SourceUnavailableError("demo:: gone"))
    report = json.loads((tmp_path / "kept" / "demo" / "report.json").read_text(encoding="utf-8"))
    assert report["frames"]["ended_early"] == "demo:: gone"
    said = capsys.readouterr().out
    assert "demo:  watching demo: (1280x720)" in said
    assert "demo:  verdict: not enough evidence" in said
    assert all(line.startswith("demo:  ") for line in said.splitlines())


@pytest.mark.parametrize(("analysed", "error"), [(0, None), (3, EngineError("the engine broke"))])
def test_an_opening_that_showed_nothing_or_broke_leaves_nothing(
    make: Callable[..., WatchedSource], demo: Source, tmp_path: Path, analysed: int, error: Exception | None
) -> None:
    one = make()
    begin(one, demo)
    end(one, analysed=analysed, error=error)
    assert not (tmp_path / "kept").exists()


def test_results_roll_over_and_faces_and_spans_that_are_open_are_in_both_parts(
    make: Callable[..., WatchedSource],
    demo: Source,
    engines: Engines,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = make(part_seconds=0.4)
    monkeypatch.setattr(demo, "info", replace(demo.info, live=True))
    begin(one, demo)
    pipeline = Pipeline(engines, settings)
    monkeypatch.setattr(one.supervisor, "_pipeline", pipeline)
    for frame, _ in zip(demo, range(25), strict=False):
        observation = pipeline.step(frame)
        counted = SessionStats(frame.index, frame.index, {}, {}, 1.0, None, None)
        now = StreamStatus(StreamState.LIVE, "", 1, 0, None, None, counted)
        monkeypatch.setattr(type(one.supervisor), "status", now)
        analyse_frame(one, frame, observation)
    end(one, analysed=25)
    reports = [json.loads(file.read_text("utf-8")) for file in sorted((tmp_path / "kept").glob("*/report.json"))]
    assert sum(report["frames"]["analysed"] for report in reports) == 25
    assert [report["frames"]["analysed"] for report in reports[:2]] == [10, 10]
    assert [[track["track_id"] for track in report["tracks"]] for report in reports[:2]] == [[1], [1]]
    assert [report["frames"]["start"] for report in reports] == [0.0, 0.4, 0.8]
    for file in (tmp_path / "kept").glob("*/annotated.mp4"):
        with av.open(file) as video:
            assert next(video.decode(video=0)).time == 0.0, "a part's video begins at its own first frame"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_person_reads_the_states_that_matter_and_a_program_all(
    make: Callable[..., WatchedSource], capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    one = make(as_json=as_json)
    for event in (
        state(StreamState.LIVE),
        state(StreamState.STALLED, "no picture for 4 s"),
        state(StreamState.LIVE),
        state(StreamState.RECONNECTING, "cam: no answer"),
        state(StreamState.PAUSED),
        state(StreamState.FAILED, "cam: refused"),
    ):
        one(event)
    lines = capsys.readouterr().out.splitlines()
    if as_json:
        printed = [json.loads(line) for line in lines]
        assert [one["state"] for one in printed] == ["live", "stalled", "live", "reconnecting", "paused", "failed"]
        assert (printed[-1]["stream"], printed[-1]["reason"], printed[-1]["retry_after"]) == (
            "demo:", "cam: refused", 1.5,
        )  # fmt: skip
    else:
        assert [line.split()[0] for line in lines] == ["stalled", "live", "reconnecting", "failed"]
        assert lines[-1] == "failed (attempt 2 in 1.5 s): cam: refused"


@pytest.mark.parametrize(("patient", "over"), [(False, True), (True, False)])
def test_a_source_that_was_never_open_is_waited_for_only_if_wanted(
    make: Callable[..., WatchedSource], monkeypatch: pytest.MonkeyPatch, patient: bool, over: bool
) -> None:
    one = make(patient=patient)
    one.supervisor.failure = SourceUnavailableError("cam: no answer")
    monkeypatch.setattr(
        type(one.supervisor), "status", status(StreamState.RECONNECTING, "cam: no answer", connection=0)
    )
    assert one.over == over
    assert (one.failure is not None) == over
    monkeypatch.setattr(
        type(one.supervisor), "status", status(StreamState.RECONNECTING, "cam: no answer", connection=1)
    )
    assert not one.over
    assert one.failure is None


def test_the_status_line_is_the_state_until_pictures_come(
    make: Callable[..., WatchedSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make(named=True)
    monkeypatch.setattr(type(one.supervisor), "status", status(StreamState.RECONNECTING, "cam: no answer"))
    assert one.status() == "demo:  [bold]reconnecting[/] (attempt 2 in 1.5 s): cam: no answer"


def test_what_fails_while_it_ends_is_told_and_a_source_that_came_back_is_none(
    make: Callable[..., WatchedSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make()
    monkeypatch.setattr(type(one.supervisor), "status", status(StreamState.LIVE))
    one.supervisor.failure = SourceUnavailableError("cam: no answer")
    assert one.failure is None
    one.supervisor.failure = OutputError("the disk is full")
    assert one.failure is one.supervisor.failure


def test_sources_that_are_over_have_no_frames_to_tell(
    make: Callable[..., WatchedSource], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = make()
    counted = SessionStats(8, 8, {}, {}, 1.0, None, None)
    for state, lines in ((StreamState.LIVE, 1), (StreamState.ENDED, 0), (StreamState.RECONNECTING, 0)):
        monkeypatch.setattr(type(one.supervisor), "status", StreamStatus(state, "", 1, 0, None, None, counted))
        one.print_status()
        assert len(capsys.readouterr().out.splitlines()) == lines
