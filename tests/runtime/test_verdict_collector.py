import numpy as np
import pytest
from support.observations import change, frame, observation, segment, summary

from monitor.runtime import VerdictCollector
from monitor.types import Label

PICTURE = frame(np.zeros((4, 4, 3), np.uint8))


def test_the_verdict_is_that_of_the_worst_face_ended_or_open() -> None:
    collector = VerdictCollector()
    collector(PICTURE, observation(ended=[summary(1)], changes=[change(1)], segments=[segment(1, 0.0, 1.0)]))
    assert collector.verdict.label is Label.LIKELY_REAL
    collector.finish([segment(2, 2.0, 3.0)], [summary(2, Label.LIKELY_FAKE, 0.95)])
    assert (collector.verdict.label, collector.verdict.track_id) == (Label.LIKELY_FAKE, 2)
    assert [track.track_id for track in collector.tracks] == [1, 2]
    assert [one.track_id for one in collector.segments] == [1, 2]
    assert len(collector.label_changes) == 1


@pytest.mark.parametrize(("max_items", "kept"), [(3, [6, 7, 8]), (None, [1, 2, 3, 4, 5, 6, 7, 8])])
def test_memory_is_bounded_unless_all_is_wanted(max_items: int | None, kept: list[int]) -> None:
    collector = VerdictCollector(max_items=max_items)
    for track in range(1, 9):
        collector(PICTURE, observation(ended=[summary(track)]))
    assert [track.track_id for track in collector.tracks] == kept
