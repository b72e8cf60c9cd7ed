import pytest
from support.score_stream import Said, noisy, play

from monitor.analysis.verdicts import source_verdict
from monitor.types import Label, Reason, TrackSummary, Verdict

REAL, NONE, SUSPICIOUS, FAKE = Label.LIKELY_REAL, Label.NOT_ENOUGH_EVIDENCE, Label.SUSPICIOUS, Label.LIKELY_FAKE


def track(track_id: int, label: Label, probability: float, seconds: float = 10.0, *reasons: Reason) -> TrackSummary:
    verdict = Verdict(
        track_id=track_id,
        label=label,
        probability=probability,
        samples=9,
        effective_samples=1.8,
        usable_share=1.0,
        reasons=reasons,
        since=0.0,
    )
    return TrackSummary(
        track_id=track_id, first_seen=0.0, last_seen=seconds, verdict=verdict, label_seconds={label: seconds}
    )


class TestTrack:
    def test_a_track_has_its_worst_verdict(self) -> None:
        timeline = play(lambda now: 3.0 if 10.0 <= now < 14.0 else -3.0, seconds=40.0)
        summary = timeline.summaries[0]
        assert timeline.verdicts[-1].label is REAL
        assert summary.verdict.label is FAKE
        peak = max(v.probability or 0.0 for v in timeline.verdicts if v.label is FAKE)
        assert summary.verdict.probability == peak
        assert (summary.first_seen, summary.last_seen) == (0.0, pytest.approx(39.96))
        assert sum(summary.label_seconds.values()) == pytest.approx(39.96)
        assert summary.label_seconds[FAKE] == pytest.approx(4.0, abs=0.3)
        assert set(summary.label_seconds) == set(Label)

    def test_a_genuine_track_is_real_with_its_mean_probability(self) -> None:
        timeline = play(noisy(lambda _: -1.5, seed=3), seconds=30.0)
        verdict = timeline.summaries[0].verdict
        said = [v.probability for v in timeline.verdicts[:-1] if v.label is REAL and v.probability is not None]
        assert verdict.label is REAL
        assert verdict.probability == pytest.approx(sum(said) / len(said))

    def test_a_short_clip_may_be_real(self) -> None:
        assert play(lambda _: -3.0, seconds=1.0).summaries[0].verdict.label is REAL

    @pytest.mark.parametrize(("seconds", "label"), [(12.0, NONE), (30.0, REAL)])
    def test_real_for_less_than_half_of_the_time_is_not_enough(self, seconds: float, label: Label) -> None:
        timeline = play(lambda now: Reason.TOO_SMALL if now < 10.0 else -3.0, seconds=seconds)
        assert timeline.verdicts[-1].label is REAL
        verdict = timeline.summaries[0].verdict
        assert verdict.label is label
        assert verdict.reasons == ((Reason.TOO_SMALL, Reason.TOO_FEW_SAMPLES) if label is NONE else ())

    def test_the_longest_lasting_reason_comes_first(self) -> None:
        verdict = play(lambda _: 0.0, seconds=20.0).summaries[0].verdict
        assert (verdict.label, verdict.reasons) == (NONE, (Reason.INCONCLUSIVE, Reason.TOO_FEW_SAMPLES))

    def test_a_long_absence_counts_up_to_the_grace(self) -> None:
        def said(now: float) -> Said:
            return None if 5.0 <= now < 100.0 else -3.0

        seconds = play(said, seconds=105.0).summaries[0].label_seconds
        assert sum(seconds.values()) == pytest.approx(9.9 + 1.5, abs=0.1)

    def test_a_face_seen_once_is_not_judged(self) -> None:
        verdict = play(lambda _: -3.0, seconds=0.04).summaries[0].verdict
        assert (verdict.label, verdict.reasons) == (NONE, (Reason.TOO_FEW_SAMPLES,))


class TestSource:
    def test_no_face_is_a_reason_and_never_real(self) -> None:
        said = source_verdict([])
        assert (said.label, said.probability, said.track_id) == (NONE, None, None)
        assert said.reasons == (Reason.NO_FACE,)

    def test_a_source_has_the_verdict_of_its_worst_track(self) -> None:
        crowd = [track(i, REAL, 0.02) for i in range(1, 9)]
        said = source_verdict([*crowd, track(9, SUSPICIOUS, 0.8, 0.5), track(10, SUSPICIOUS, 0.85, 0.5)])
        assert (said.label, said.probability, said.track_id) == (SUSPICIOUS, 0.85, 10)
        worse = source_verdict([*crowd, track(9, SUSPICIOUS, 0.89), track(10, FAKE, 0.86, 0.5)])
        assert (worse.label, worse.track_id) == (FAKE, 10)

    def test_a_source_of_real_faces_has_the_least_certain_verdict(self) -> None:
        said = source_verdict([track(1, REAL, 0.02), track(2, REAL, 0.2)])
        assert (said.label, said.probability, said.track_id) == (REAL, 0.2, 2)

    def test_reasons_of_undecided_tracks_are_merged_by_time(self) -> None:
        unjudged = [
            track(1, NONE, 0.5, 2.0, Reason.TOO_DARK),
            track(2, NONE, 0.5, 9.0, Reason.TOO_SMALL, Reason.TOO_FEW_SAMPLES),
            track(3, NONE, 0.5, 3.0, Reason.TOO_SMALL),
            track(4, NONE, 0.5, 1.0, Reason.NOT_SEEN),
        ]
        said = source_verdict(unjudged)
        assert (said.label, said.probability, said.track_id) == (NONE, None, None)
        assert said.reasons == (Reason.TOO_SMALL, Reason.TOO_FEW_SAMPLES, Reason.TOO_DARK)

    @pytest.mark.parametrize(("seconds", "label"), [(9.0, REAL), (11.0, NONE)])
    def test_one_real_face_does_not_decide_for_an_undecided_crowd(self, seconds: float, label: Label) -> None:
        said = source_verdict([track(1, REAL, 0.02), track(2, NONE, 0.5, seconds, Reason.TOO_SMALL)])
        assert said.label is label
        assert said.reasons == ((Reason.TOO_SMALL,) if label is NONE else ())

    def test_in_a_still_picture_all_faces_count_equally(self) -> None:
        one_of_three = [track(1, REAL, 0.1, 0.0)] + [track(i, NONE, 0.5, 0.0, Reason.TOO_SMALL) for i in (2, 3)]
        assert source_verdict(one_of_three).label is NONE
        assert source_verdict(one_of_three[:2]).label is REAL
