import numpy as np
import pytest

from monitor.analysis.score_schedule import ScoreSchedule


@pytest.mark.parametrize("fps", [10, 24, 25, 29.97, 60])
def test_the_schedule_keeps_its_rate_at_any_frame_rate(fps: float) -> None:
    schedule = ScoreSchedule(0.2)
    times = np.arange(0, 20, 1 / fps)
    due = sum(bool(schedule.due(np.array([1]), time)) for time in times)
    assert due == pytest.approx(20 * 5, abs=1)


def test_the_schedule_is_per_track_and_forgets_ended_tracks() -> None:
    schedule = ScoreSchedule(0.2)
    assert schedule.due(np.array([1, 2]), 0.0) == [0, 1]
    assert schedule.due(np.array([3, 1, 2]), 0.1) == [0]
    schedule.forget((1,))
    assert schedule.due(np.array([1, 2]), 0.15) == [0]
