import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.analysis.pipeline import Engines, Pipeline
from monitor.cli.watched_source import WatchedSource
from monitor.errors import EngineError, OutputError, SourceUnavailableError
from monitor.media.sources import Source, open_source
from monitor.runtime import ConnectionSummary, LoadShedder, SessionStats, StreamState, StreamStatus
from monitor.settings import Settings, SourceSettings


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


def ending(*, analysed: int, failure: Exception | None = None) -> ConnectionSummary:
    return ConnectionSummary((), (), SessionStats(analysed, analysed, {}, {}, 1.0, None, None), failure)


def status(state: StreamState, why: str = "", *, epoch: int = 1) -> StreamStatus:
    return StreamStatus(state, why, epoch, 2, 1.5, None, None)


def seen(one: WatchedSource, source: Source, engines: Engines, settings: Settings, *, frames: int) -> None:
    pipeline = Pipeline(engines, settings)
    for frame, _ in zip(source, range(frames), strict=False):
        one(frame, pipeline.step(frame))


def test_an_opening_leaves_results_and_says_what_came_of_it(
    make: Callable[..., WatchedSource],
    demo: Source,
    engines: Engines,
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = make(named=True)
    one.opened(demo, 1)
    seen(one, demo, engines, settings, frames=8)
    one.closed(ending(analysed=8, failure=SourceUnavailableError("demo:: gone")))
    report = json.loads((tmp_path / "kept" / "demo" / "report.json").read_text(encoding="utf-8"))
    assert report["frames"]["ended_early"] == "demo:: gone"
    said = capsys.readouterr().out
    assert "demo:  watching demo: (1280x720)" in said
    assert "demo:  verdict: not enough evidence" in said
    assert all(line.startswith("demo:  ") for line in said.splitlines())


@pytest.mark.parametrize("closing", [ending(analysed=0), ending(analysed=3, failure=EngineError("the engine broke"))])
def test_an_opening_that_showed_nothing_or_broke_leaves_nothing(
    make: Callable[..., WatchedSource], demo: Source, tmp_path: Path, closing: ConnectionSummary
) -> None:
    one = make()
    one.opened(demo, 1)
    one.closed(closing)
    assert not (tmp_path / "kept").exists()


def test_states_are_told_once_and_only_those_that_matter(
    make: Callable[..., WatchedSource], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = make(as_json=True)
    lost = status(StreamState.RECONNECTING, "cam: no answer")
    for now in (
        status(StreamState.CONNECTING),
        status(StreamState.LIVE),
        status(StreamState.STALLED, "no picture for 4 s"),
        status(StreamState.STALLED, "no picture for 5 s"),
        status(StreamState.LIVE),
        lost,
        lost,
        status(StreamState.RECONNECTING, "cam: refused"),
        status(StreamState.ENDED),
    ):
        monkeypatch.setattr(type(one.watch), "status", now)
        one.tell_state()
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["state"], one["why"]) for one in told] == [
        ("stalled", "no picture for 4 s"),
        ("live", ""),
        ("reconnecting", "cam: no answer"),
        ("reconnecting", "cam: refused"),
    ]
    assert (told[-1]["source"], told[-1]["attempt"], told[-1]["next_try"]) == ("demo:", 2, 1.5)


@pytest.mark.parametrize(("patient", "over"), [(False, True), (True, False)])
def test_a_source_that_was_never_open_is_waited_for_only_if_wanted(
    make: Callable[..., WatchedSource], monkeypatch: pytest.MonkeyPatch, patient: bool, over: bool
) -> None:
    one = make(patient=patient)
    one.watch.failure = SourceUnavailableError("cam: no answer")
    monkeypatch.setattr(type(one.watch), "status", status(StreamState.RECONNECTING, "cam: no answer", epoch=0))
    assert one.over == over
    assert (one.failure is not None) == over
    monkeypatch.setattr(type(one.watch), "status", status(StreamState.RECONNECTING, "cam: no answer", epoch=1))
    assert not one.over
    assert one.failure is None


def test_the_status_line_is_the_state_until_pictures_come(
    make: Callable[..., WatchedSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make(named=True)
    monkeypatch.setattr(type(one.watch), "status", status(StreamState.RECONNECTING, "cam: no answer"))
    assert one.status() == "demo:  [bold]reconnecting[/] (attempt 2 in 1.5 s): cam: no answer"


def test_what_fails_while_it_ends_is_told_and_a_source_that_came_back_is_none(
    make: Callable[..., WatchedSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make()
    monkeypatch.setattr(type(one.watch), "status", status(StreamState.LIVE))
    one.watch.failure = SourceUnavailableError("cam: no answer")
    assert one.failure is None
    one.watch.failure = OutputError("the disk is full")
    assert one.failure is one.watch.failure


def test_sources_that_are_over_have_no_frames_to_tell(
    make: Callable[..., WatchedSource], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = make()
    counted = SessionStats(8, 8, {}, {}, 1.0, None, None)
    for state, lines in ((StreamState.LIVE, 1), (StreamState.ENDED, 0), (StreamState.RECONNECTING, 0)):
        monkeypatch.setattr(type(one.watch), "status", StreamStatus(state, "", 1, 0, None, None, counted))
        one.tell_status()
        assert len(capsys.readouterr().out.splitlines()) == lines
