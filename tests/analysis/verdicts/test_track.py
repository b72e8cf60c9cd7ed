"""Labels, their reasons, hysteresis, debouncing and traces."""

import math

import pytest
from support.score_stream import Said, Timeline, play, switch

from monitor.settings import VerdictSettings
from monitor.types import Label, Reason, ScoreProcess

REAL, NONE, SUSPICIOUS, FAKE = (
    Label.LIKELY_REAL,
    Label.NOT_ENOUGH_EVIDENCE,
    Label.SUSPICIOUS,
    Label.LIKELY_FAKE,
)
MOST = ScoreProcess().max_effective_samples


def steady(level: float, *, seconds: float = 20.0, **others: float) -> Timeline:
    return play(lambda _: level, seconds=seconds, **others)


def level(probability: float) -> float:
    """The constant score that leads to this P(fake)."""
    return math.log(probability / (1.0 - probability)) / 1.9


def at(timeline: Timeline, time: float) -> tuple[Label, tuple[Reason, ...]]:
    verdict = timeline.verdicts[round(time * 25)]
    return verdict.label, verdict.reasons


@pytest.mark.parametrize(
    ("probability", "label"), [(0.97, FAKE), (0.82, SUSPICIOUS), (0.65, NONE), (0.4, NONE), (0.1, REAL)]
)
def test_a_steady_score_gets_the_label_of_its_probability(probability: float, label: Label) -> None:
    timeline = steady(level(probability))
    last = timeline.verdicts[-1]
    assert last.label is label
    assert last.probability == pytest.approx(probability, abs=0.02)
    assert last.samples == 100
    assert last.usable_share == 1.0
    assert last.effective_samples == pytest.approx(1.9, abs=0.05)
    assert last.reasons == ((Reason.INCONCLUSIVE,) if label is NONE else ())


def test_a_track_starts_without_enough_evidence_and_debounces_its_first_label() -> None:
    timeline = steady(-3.0, seconds=2.0)
    assert at(timeline, 0.0) == (NONE, (Reason.TOO_FEW_SAMPLES,))
    assert timeline.labels == [REAL]
    enough = 0.2  # two samples
    assert timeline.changes[0].media_time == pytest.approx(enough + VerdictSettings().debounce, abs=0.041)
    assert timeline.verdicts[-1].since == timeline.changes[0].media_time


def test_one_score_is_limited() -> None:
    assert steady(1e6).verdicts[-1].probability == steady(4.0).verdicts[-1].probability


def test_a_label_is_kept_within_its_hysteresis() -> None:
    steadfast = ScoreProcess(change_threshold=1e9)
    faded = play(switch(level(0.97), level(0.87), at=8.0), seconds=50.0, process=steadfast)
    assert faded.verdicts[-1].probability == pytest.approx(steady(level(0.87)).verdicts[-1].probability, abs=0.01)
    assert (faded.labels[-1], steady(level(0.87)).labels[-1]) == (FAKE, SUSPICIOUS)


def test_a_swing_shorter_than_the_debounce_changes_no_label() -> None:
    calm = VerdictSettings(decay_time=0.3, debounce=0.5)
    process = ScoreProcess(min_effective_samples=0.5, change_threshold=1e9)

    def said(now: float) -> float:
        return 3.0 if 5.0 <= now < 5.3 else -3.0

    assert max(v.probability or 0.0 for v in play(said, seconds=9.0, settings=calm, process=process).verdicts) > 0.75
    assert play(said, seconds=9.0, settings=calm, process=process).labels == [REAL]
    hasty = calm.model_copy(update={"debounce": 0.01})
    assert play(said, seconds=9.0, settings=hasty, process=process).labels != [REAL]


def test_suspicion_that_rises_during_the_debounce_starts_with_the_milder_label() -> None:
    process = ScoreProcess(max_effective_samples=4.0)
    timeline = play(
        lambda _: 1.0, seconds=8.0, settings=VerdictSettings(debounce=1.0, suspicious_at=0.75), process=process
    )
    assert timeline.labels == [SUSPICIOUS, FAKE]
    first = next(v.media_time for v in timeline.changes)
    assert first == pytest.approx(0.2 + 1.0, abs=0.25), "growing worse does not start the debounce again"


class TestReasons:
    def test_the_reasons_for_missing_scores_are_reported(self) -> None:
        timeline = play(lambda _: Reason.TOO_SMALL, seconds=5.0)
        assert at(timeline, 0.4) == (NONE, (Reason.TOO_FEW_SAMPLES, Reason.TOO_SMALL))
        assert at(timeline, 4.9) == (NONE, (Reason.TOO_SMALL,))
        assert timeline.changes == []
        assert timeline.verdicts[-1].probability is None
        assert (timeline.verdicts[-1].samples, timeline.verdicts[-1].usable_share) == (0, 0.0)

    def test_the_most_frequent_cause_comes_first(self) -> None:
        causes = [Reason.TOO_DARK, Reason.PROFILE_POSE, Reason.PROFILE_POSE]
        timeline = play(lambda now: causes[round(now * 5) % 3], seconds=5.0)
        assert timeline.verdicts[-1].reasons == (Reason.PROFILE_POSE, Reason.TOO_DARK)

    def test_a_face_without_scores_loses_its_label_immediately(self) -> None:
        timeline = play(lambda now: -3.0 if now < 5.0 else Reason.TOO_BLURRED, seconds=10.0)
        assert timeline.labels == [REAL, NONE]
        lost = timeline.changes[1]
        assert lost.media_time == pytest.approx(4.8 + VerdictSettings().timeout, abs=0.05)
        assert lost.reasons == (Reason.TOO_BLURRED,)
        assert lost.threshold is None
        assert lost.began == 4.8, "the last usable sample"
        assert timeline.verdicts[-1].usable_share == pytest.approx(0.5)

    def test_a_face_that_returns_without_scores_is_not_seen(self) -> None:
        def said(now: float) -> Said:
            return -3.0 if now < 5.0 else None if now < 8.0 else Reason.NOT_SEEN

        timeline = play(said, seconds=8.2)
        assert timeline.labels == [REAL, NONE]
        assert timeline.changes[1].media_time == 8.0
        assert timeline.verdicts[-1].reasons == (Reason.NOT_SEEN,)

    def test_an_engine_that_returns_nan_gives_a_reason(self) -> None:
        timeline = play(lambda _: math.nan, seconds=3.0)
        assert timeline.verdicts[-1].reasons == (Reason.ENGINE_DEGRADED,)
        assert timeline.verdicts[-1].probability is None

    def test_a_score_without_weight_does_not_count(self) -> None:
        timeline = play(lambda _: 4.0, seconds=3.0, weight=0.0)
        assert timeline.verdicts[-1].samples == 0
        assert timeline.labels == []


class TestTrace:
    def test_a_label_change_records_its_start_samples_and_restart(self) -> None:
        timeline = play(switch(-2.0, 2.0, at=10.0), seconds=14.0)
        assert timeline.labels == [REAL, FAKE]
        change = timeline.changes[1]
        assert (change.before, change.after, change.threshold) == (REAL, FAKE, 0.9)
        assert change.began == change.restarted_at == change.window[0] == 10.0
        assert change.window[1] <= change.media_time
        assert change.frame_index == round(change.media_time * 25)
        assert change.reasons == ()
        assert change.probability is not None
        total = sum(sample.contribution for sample in change.witnesses)
        assert total == pytest.approx(math.log(change.probability / (1 - change.probability)))
        assert {sample.log_odds for sample in change.witnesses} == {2.0}
        assert all(sample.frame_index == round(sample.media_time * 25) for sample in change.witnesses)

    def test_a_label_change_lists_the_samples_with_the_largest_contributions(self) -> None:
        timeline = play(lambda now: 0.3 if now < 3.0 else 1.2, seconds=20.0)
        change = timeline.changes[-1]
        assert len(change.witnesses) <= 8
        sizes = [abs(sample.contribution) for sample in change.witnesses]
        assert sizes == sorted(sizes, reverse=True)

    @pytest.mark.parametrize(
        ("before", "after", "threshold"),
        [(-3.0, 0.0, 0.30), (3.0, 0.0, 0.75), (3.0, 0.85, 0.85), (0.0, -3.0, 0.25), (0.85, 3.0, 0.90), (0.0, 3.0, 0.9)],
    )
    def test_a_label_change_records_the_crossed_threshold(self, before: float, after: float, threshold: float) -> None:
        timeline = play(switch(before, after, at=10.0), seconds=30.0)
        assert timeline.changes[-1].threshold == pytest.approx(threshold)

    def test_a_change_never_began_before_the_previous_one(self) -> None:
        timeline = play(lambda now: 2.0 if now % 12 < 6 else -2.0, seconds=60.0)
        began = [change.began for change in timeline.changes]
        assert began == sorted(began)
        assert len(began) > 8

    def test_a_change_never_began_in_a_time_without_samples(self) -> None:
        timeline = play(lambda now: Reason.TOO_DARK if 5.0 <= now < 12.0 else 3.0, seconds=16.0)
        assert timeline.labels[-2:] == [NONE, FAKE]
        assert timeline.changes[-1].began == 12.0
