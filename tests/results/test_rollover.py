from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from support.observations import frame, observation, segment, summary

from monitor.results.rollover import RolloverRecorder
from monitor.types import Segment, TrackSummary
from monitor.types.stats import SessionStats


class Part:
    """A recorder that only counts."""

    def __init__(self, start: float) -> None:
        self.start, self.frames, self.aborted = start, 0, False

    def __call__(self, *_: object) -> None:
        self.frames += 1

    def finish(self, segments: Sequence[Segment], tracks: Sequence[TrackSummary], **counts: Any) -> Any:
        return self.frames, len(segments), len(tracks), counts["stats"]

    def abort(self) -> None:
        self.aborted = True


class Parts:
    """A stream of ten frames a second, of which each tenth was dropped."""

    def __init__(self, part_seconds: float) -> None:
        self.parts: list[Part] = []
        self.published: list[Any] = []
        self.frames = 0
        self.recorder = RolloverRecorder(
            self._begin,  # type: ignore[arg-type]
            part_seconds=part_seconds,
            so_far=lambda: ((segment(1, 0.0, 1.0),), (summary(1),)),
            stats=lambda: self.stats,
            published=self.published.append,
        )

    @property
    def stats(self) -> SessionStats:
        return SessionStats.counted(self.frames, dropped={"analysis behind": self.frames // 10}, lost={})

    def _begin(self, start: float) -> Part:
        self.parts.append(Part(start))
        return self.parts[-1]

    def see(self, count: int) -> None:
        for _ in range(count):
            self.recorder(frame(np.zeros((4, 4, 3), np.uint8)), observation(media_time=self.frames / 10))
            self.frames += 1


def test_every_part_has_its_own_frames_and_what_was_open_at_its_end() -> None:
    stream = Parts(part_seconds=2.0)
    stream.see(50)
    last = stream.recorder.finish((), (), stats=stream.stats, failure=None)
    assert [(part.start, part.frames) for part in stream.parts] == [(0.0, 20), (2.0, 20), (4.0, 10)]
    for frames, segments, tracks, stats in stream.published:
        assert (frames, segments, tracks) == (20, 1, 1)
        assert (stats.frames_analysed, stats.dropped) == (20, {"analysis behind": 2})
    assert (last[3].frames_analysed, last[3].dropped) == (10, {"analysis behind": 1})


def test_a_connection_that_broke_gives_up_its_last_part_alone() -> None:
    stream = Parts(part_seconds=2.0)
    stream.see(30)
    stream.recorder.abort()
    assert [part.aborted for part in stream.parts] == [False, True]
    assert len(stream.published) == 1


@pytest.mark.parametrize("seconds", [30.0, float("inf")])
def test_a_short_connection_is_one_part(seconds: float) -> None:
    stream = Parts(part_seconds=seconds)
    stream.see(50)
    assert len(stream.parts) == 1
