import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.score_stream import noisy, play, scores

from monitor.analysis.segments import MAX_RECENT, Segments
from monitor.settings import SegmentSettings
from monitor.types import Judgement, Label, LabelChange, Reason, Scores, Segment, Verdict

NONE, REAL, SUSPICIOUS, FAKE = Label.NOT_ENOUGH_EVIDENCE, Label.LIKELY_REAL, Label.SUSPICIOUS, Label.LIKELY_FAKE


def verdict(track_id: int, label: Label) -> Verdict:
    reasons = (Reason.INCONCLUSIVE,) if label is NONE else ()
    return Verdict(
        track_id=track_id,
        label=label,
        probability=0.5,
        samples=1,
        effective_samples=1.0,
        usable_share=1.0,
        reasons=reasons,
        since=0.0,
    )


def change(track_id: int, before: Label, after: Label, now: float, began: float) -> LabelChange:
    return LabelChange(
        track_id=track_id,
        frame_index=0,
        media_time=now,
        before=before,
        after=after,
        probability=0.5,
        window=(began, now),
        threshold=None,
        reasons=(),
        witnesses=(),
        began=began,
        restarted_at=None,
    )


class Script:
    """Frames at 10 fps with a score each and the given ``labels``, each change ``late`` seconds after it began."""

    def __init__(self, late: float = 0.5, **others: float) -> None:
        self.segments = Segments(SegmentSettings(**others))
        self.late, self.held = late, {}
        self.done: list[Segment] = []
        self.index = 0

    def run(self, seconds: float, labels: dict[int, Label], logit: float = 1.0) -> list[Segment]:
        closed: list[Segment] = []
        for _ in range(round(seconds * 10)):
            now, changes = self.index / 10, []
            for track, label in labels.items():
                before = self.held.get(track, NONE)
                if label is not before:
                    changes.append(change(track, before, label, now, max(now - self.late, 0.0)))
                self.held[track] = label
            judged = Judgement(tuple(verdict(track, label) for track, label in labels.items()), tuple(changes))
            scored = scores(dict.fromkeys(labels, logit))
            closed += self.segments.update(judged, scored, frame_index=self.index, media_time=now)
            self.index += 1
        self.done += closed
        return closed

    def finish(self) -> list[Segment]:
        self.done += self.segments.flush()
        return self.done


def spans(found: list[Segment]) -> list[tuple[float, float]]:
    return [(round(one.start, 3), round(one.end, 3)) for one in found]


class TestSpans:
    def test_a_span_lasts_from_the_start_to_the_end_of_suspicion(self) -> None:
        script = Script(late=0.5)
        script.run(5.0, {1: REAL}, logit=-2.0)
        script.run(3.0, {1: SUSPICIOUS}, logit=1.0)
        script.run(5.0, {1: REAL}, logit=-2.0)
        (found,) = script.finish()
        assert (found.track_id, found.label) == (1, SUSPICIOUS)
        assert spans([found]) == [(4.5, 7.5)]
        assert found.duration == pytest.approx(3.0)

    def test_peak_mean_and_best_frame_are_of_the_scores_inside(self) -> None:
        script = Script(late=0.5)
        script.run(5.0, {1: REAL}, logit=-3.0)
        script.run(1.0, {1: SUSPICIOUS}, logit=1.0)
        script.run(0.1, {1: SUSPICIOUS}, logit=3.0)
        script.run(0.9, {1: SUSPICIOUS}, logit=1.0)
        script.run(5.0, {1: REAL}, logit=3.0)
        (found,) = script.finish()

        def probability(logit: float) -> float:
            return 1.0 / (1.0 + math.exp(-logit))

        assert (found.best_frame, found.best_time) == (60, 6.0)
        assert found.peak == pytest.approx(probability(3.0))
        inside = [-3.0] * 5 + [1.0] * 15 + [3.0]  # 4.5 s to 6.5 s
        assert found.mean == pytest.approx(sum(map(probability, inside)) / len(inside))

    def test_the_worst_label_is_kept(self) -> None:
        script = Script()
        for label in (SUSPICIOUS, FAKE, SUSPICIOUS):
            script.run(1.0, {1: label})
        assert [one.label for one in script.finish()] == [FAKE]

    def test_the_start_is_backdated_up_to_the_limit(self) -> None:
        script = Script(late=20.0, max_backdate=2.0)
        script.run(30.0, {1: REAL})
        script.run(5.0, {1: FAKE})
        assert spans(script.finish()) == [(28.0, 34.9)]

    def test_close_spans_of_a_track_are_merged(self) -> None:
        for gap, expected in ((0.9, 1), (1.2, 2)):
            script = Script(late=0.0)
            for label, seconds in ((SUSPICIOUS, 2.0), (REAL, gap), (SUSPICIOUS, 2.0), (REAL, 9.0)):
                script.run(seconds, {1: label})
            assert len(script.finish()) == expected, gap

    def test_a_short_span_is_not_reported(self) -> None:
        script = Script(late=0.0)
        script.run(0.3, {1: SUSPICIOUS})
        script.run(9.0, {1: REAL})
        assert script.finish() == []

    def test_a_span_is_published_when_no_later_one_can_join_it(self) -> None:
        script = Script(late=0.0)
        script.run(2.0, {1: FAKE})
        assert script.run(4.0, {1: REAL}) == []
        assert spans(script.run(0.5, {1: REAL})) == [(0.0, 2.0)]
        assert script.run(9.0, {1: REAL}) == []

    def test_each_face_has_its_own_spans(self) -> None:
        script = Script(late=0.0)
        script.run(2.0, {1: FAKE, 2: REAL})
        script.run(2.0, {1: FAKE, 2: SUSPICIOUS})
        script.run(1.0, {1: REAL, 2: SUSPICIOUS})
        found = script.finish()
        assert [(one.track_id, one.label) for one in found] == [(1, FAKE), (2, SUSPICIOUS)]
        assert spans(found) == [(0.0, 4.0), (2.0, 4.9)]


class TestEnds:
    def test_the_span_of_an_ended_track_is_published(self) -> None:
        script = Script(late=0.0)
        script.run(2.0, {1: FAKE, 2: FAKE})
        ended = script.segments.end([1, 77])
        assert [one.track_id for one in ended] == [1]
        assert spans(list(ended)) == [(0.0, 1.9)]
        assert [one.track_id for one in script.segments.flush()] == [2]
        assert script.segments.flush() == ()

    def test_a_clock_set_back_ends_all_spans(self) -> None:
        script = Script(late=0.0)
        script.run(2.0, {1: FAKE})
        script.index = 0
        assert spans(script.run(0.1, {1: FAKE})) == [(0.0, 1.9)]
        script.run(2.0, {1: FAKE})
        assert spans(script.finish()[1:]) == [(0.0, 2.0)]

    def test_a_span_without_scores_is_not_published(self) -> None:
        segments = Segments(SegmentSettings())
        for index in range(30):
            judged = Judgement((verdict(1, FAKE),), ())
            unusable = scores({1: math.nan}) if index % 2 else scores({1: 4.0}, weight=0.0)
            segments.update(judged, unusable, frame_index=index, media_time=index / 10)
        assert segments.flush() == ()

    def test_memory_is_bounded_at_any_rate_and_every_score_counts(self) -> None:
        segments = Segments(SegmentSettings())
        n = 3 * MAX_RECENT
        for index in range(n):
            judged = Judgement((verdict(1, FAKE),), ())
            one = scores({1: 0.0 if index < n // 2 else 60.0})
            segments.update(judged, one, frame_index=index, media_time=index / 1000)
        assert len(segments._tracks[1]._recent) == MAX_RECENT
        (found,) = segments.flush()
        assert found.mean == pytest.approx(0.75)


class TestWithTheJudge:
    def test_a_real_switch_is_dated_to_the_sample(self) -> None:
        timeline = play(lambda now: 2.0 if 10.0 <= now < 20.0 else -2.0, seconds=30.0)
        assert spans(timeline.segments) == [(10.0, 20.0)]
        assert timeline.segments[0].label is FAKE

    @pytest.mark.parametrize("seed", range(5))
    def test_a_noisy_switch_is_dated_to_the_second(self, seed: int) -> None:
        timeline = play(noisy(lambda now: 2.0 if 10.0 <= now < 20.0 else -2.0, seed=seed, tau=0.2), seconds=30.0)
        (found,) = timeline.segments
        assert found.start == pytest.approx(10.0, abs=1.0)
        assert found.end == pytest.approx(20.0, abs=1.0)

    def test_suspicion_ends_with_the_last_usable_score(self) -> None:
        timeline = play(lambda now: 3.0 if now < 5.0 else Reason.TOO_BLURRED, seconds=12.0)
        assert spans(timeline.segments) == [(0.0, 4.8)]

    @given(st.lists(st.sampled_from([-3.0, 0.0, 1.0, 3.0, Reason.TOO_SMALL, None]), min_size=1, max_size=20))
    @settings(max_examples=40, deadline=None)
    def test_spans_are_separate_ordered_and_contain_their_best_score(self, values: list[float | Reason | None]) -> None:
        seconds = 1.5 * len(values)
        timeline = play(lambda now: values[int(now / 1.5)], seconds=seconds)
        found = timeline.segments
        assert all(before.end + 1.0 < after.start for before, after in pairwise(found))
        for one in found:
            assert 0.0 <= one.start <= one.best_time <= one.end <= seconds
            assert one.duration >= 0.4
            assert 0.0 <= one.mean <= one.peak + 1e-9 <= 1.0 + 1e-9
            assert one.label.suspects
        suspected = {change.after for change in timeline.changes if change.after.suspects}
        assert found == [] or {one.label for one in found} <= suspected


def test_frames_without_faces_are_accepted() -> None:
    segments = Segments(SegmentSettings())
    assert segments.update(Judgement((), ()), Scores.none(), frame_index=0, media_time=0.0) == ()
    assert segments.flush() == ()
