from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest
from support.clips import video

from monitor.analysis.pipeline import Engines
from monitor.errors import MonitorError
from monitor.lab.bench import capacity
from monitor.lab.bench.capacity import KINDS, Holding, RunningStreams, StreamKind, find_capacity
from monitor.lab.bench.live_camera import live_camera
from monitor.runtime import LADDER, LoadShedder
from monitor.settings import Settings

HELD = Holding(
    streams=4,
    faces=1,
    fps=(5.0, 6.0),
    scores=(1.7, 2.0),
    latency_p50=0.1,
    latency_p95=0.4,
    level=6,
    analysis=0.3,
    decoding=0.5,
)


def test_running_streams_are_counted(tmp_path: Path, engines: Engines) -> None:
    clip = video(tmp_path / "clip.mp4", frames=25, size=(160, 120))
    load = LoadShedder(level=2)
    with (
        live_camera(clip) as url,
        RunningStreams(url, faces=0, engines=engines, settings=Settings(), load=load) as streams,
    ):
        streams.resize(2)
        holding = streams.measure(seconds=1.0, settling=0.2)
        streams.resize(1)
        assert len(streams.measure(seconds=0.2, settling=0.0).fps) == 2
    assert (holding.streams, holding.level, holding.scores) == (2, 2, (0.0, 0.0))
    assert 0 < holding.fps[0] <= holding.fps[1] <= 30
    assert 0 < holding.latency_p50 <= holding.latency_p95
    assert holding.analysis > 0
    assert holding.decoding > 0


def test_a_stream_without_a_picture_is_an_error(tmp_path: Path, engines: Engines) -> None:
    url = str(tmp_path / "absent.mp4")
    streams = RunningStreams(url, faces=0, engines=engines, settings=Settings(), load=LoadShedder())
    with streams, pytest.raises(MonitorError, match=r"shows no picture: .*absent"):
        streams.resize(1)


@pytest.mark.parametrize(
    "change",
    [{"fps": (4.0, 6.0)}, {"scores": (1.0, 2.0)}, {"latency_p95": 1.1}],
    ids=lambda change: next(iter(change)),
)
def test_held_is_every_stream_often_and_in_time(change: dict[str, Any]) -> None:
    assert HELD.held
    assert not replace(HELD, **change).held


def test_streams_without_a_face_need_no_scores() -> None:
    assert replace(HELD, faces=0, scores=(0.0, 0.0)).held


def test_the_limit_is_the_part_that_takes_most() -> None:
    assert HELD.limit == "decoding takes 0.5 of 0.8 busy cores"
    assert replace(HELD, analysis=1.2).limit == "analysis takes 1.2 of 1.7 busy cores"


def test_the_kinds_are_those_of_the_command() -> None:
    assert [(kind.name, kind.faces) for kind in KINDS] == [("one_face", 1), ("four_faces", 4), ("nobody", 0)]


def stand_in(answers: Callable[[int], Holding], tried: list[int]) -> type:
    class StandIn:
        def __init__(self, url: str, *, load: LoadShedder, **_: object) -> None:
            assert LADDER[load.level].fps == capacity.MIN_FPS
            self.count = 0

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def resize(self, count: int) -> None:
            self.count = count
            tried.append(count)

        def measure(self, **_: object) -> Holding:
            return answers(self.count)

    return StandIn


@pytest.mark.parametrize(
    ("most", "tried", "found"),
    [(99, [2, 9], 9), (6, [2, 9, 6], 6), (1, [2, 9, 6, 4, 3, 2, 1], 1), (0, [2, 9, 6, 4, 3, 2, 1], None)],
)
def test_the_processor_time_of_a_few_streams_predicts_how_many_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, tried: Sequence[int], found: int | None
) -> None:
    done: list[int] = []

    def answers(count: int) -> Holding:  # 0.2 cores a stream
        answer = replace(HELD, streams=count, analysis=0.12 * count, decoding=0.08 * count)
        return answer if count <= most else replace(answer, latency_p95=3.0)

    monkeypatch.setattr(capacity, "_cores", lambda: 2)
    monkeypatch.setattr(capacity, "RunningStreams", stand_in(answers, done))
    kind = StreamKind("one_face", lambda path: video(path, frames=5, size=(160, 120)), 1)
    holding = find_capacity(kind, tmp_path, engines=None, settings=Settings())  # type: ignore[arg-type]
    assert done == tried
    assert (holding and holding.streams) == found
