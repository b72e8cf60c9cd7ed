"""Properties for any stream of scores: promptness, stability, independence of the frame rate, bounded state."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.score_stream import EVERY, Said, Timeline, noisy, play, scores, switch

from monitor.analysis.verdicts import Judge
from monitor.settings import VerdictSettings
from monitor.types import Label, Reason, ScoreProcess, Scores

said_of_a_slot = st.one_of(
    st.floats(-8.0, 8.0), st.floats(width=32), st.none(), st.sampled_from([Reason.TOO_SMALL, Reason.TOO_DARK])
)
streams = st.lists(said_of_a_slot, min_size=1, max_size=40)


def slots(values: list[Said]) -> tuple[float, object]:
    return len(values) * EVERY, lambda now: values[min(math.floor(now / EVERY + 1e-6), len(values) - 1)]


def judge(**others: bool) -> Judge:
    return Judge(VerdictSettings(), process=ScoreProcess(), **others)


def sides(timeline: Timeline) -> list[tuple[str, float]]:
    """The labels with their start times; SUSPICIOUS and LIKELY_FAKE count as one."""
    held = [
        ("suspect" if change.after.suspects else change.after.value, change.media_time) for change in timeline.changes
    ]
    return [one for i, one in enumerate(held) if i == 0 or one[0] != held[i - 1][0]]


class TestSwitch:
    """A switch is reported within 1.5 s of media time at the default settings."""

    @given(
        st.floats(-4.0, -1.5),
        st.floats(1.5, 4.0),
        st.floats(2.0, 40.0),
        st.sampled_from([12.5, 24.0, 25.0, 30.0, 60.0]),
    )
    @settings(max_examples=40, deadline=None)
    def test_a_switch_to_fake_and_back_is_reported(self, real: float, fake: float, at: float, fps: float) -> None:
        timeline = play(lambda now: fake if at <= now < at + 10.0 else real, seconds=at + 12.0, fps=fps)
        fakes = [c.media_time - at for c in timeline.changes if c.after.suspects and not c.before.suspects]
        reals = [
            c.media_time - at - 10.0 for c in timeline.changes if c.after is Label.LIKELY_REAL and c.media_time > at
        ]
        assert len(fakes) == 1
        assert 0.0 < fakes[0] <= 1.5
        assert len(reals) == 1
        assert 0.0 < reals[0] <= 1.5

    def delays(self, before: float, after: float, **noise: float) -> list[float]:
        found = []
        for seed in range(40):
            timeline = play(noisy(switch(before, after, at=10.1), seed=seed, **noise), seconds=16.0)
            late = [c.media_time - 10.1 for c in timeline.changes if c.after.suspects and c.media_time > 10.1]
            found.append(late[0] if late else math.inf)
        return found

    def test_a_switch_is_reported_in_noise(self) -> None:
        assert max(self.delays(-2.0, 2.0)) <= 1.5

    def test_a_switch_is_reported_in_correlated_noise(self) -> None:
        delays = self.delays(-2.0, 2.0, tau=0.3)
        assert sum(delay <= 1.5 for delay in delays) >= 0.9 * len(delays)

    def test_a_weak_switch_is_reported_later(self) -> None:
        delays = self.delays(-1.0, 1.5)
        assert statistics.median(delays) <= 1.7
        assert statistics.quantiles(delays, n=10)[-1] <= 5.0


class TestSteadiness:
    @pytest.mark.parametrize("tau", [0.0, 0.2])
    def test_a_genuine_clip_never_flips(self, tau: float) -> None:
        for seed in range(12):
            timeline = play(noisy(lambda _: -1.5, seed=seed, tau=tau), seconds=120.0, fps=5.0)
            assert timeline.labels == [Label.LIKELY_REAL], seed

    def test_scores_around_zero_rarely_raise_suspicion(self) -> None:
        timeline = play(noisy(lambda _: 0.0, seed=1), seconds=1800.0, fps=5.0)
        assert sum(label.suspects for label in timeline.labels) <= 1

    def test_one_outlier_changes_no_label(self) -> None:
        timeline = play(lambda now: 50.0 if 9.99 < now < 10.15 else -1.5, seconds=20.0)
        assert timeline.labels == [Label.LIKELY_REAL]


class TestTime:
    @given(streams)
    @settings(max_examples=25, deadline=None)
    def test_the_same_stream_gives_the_same_verdicts_bit_for_bit(self, values: list[Said]) -> None:
        seconds, said = slots(values)
        once, again = play(said, seconds=seconds), play(said, seconds=seconds)
        assert once.verdicts == again.verdicts
        assert once.changes == again.changes
        assert once.summaries == again.summaries

    @given(st.floats(-4.0, -1.5), st.floats(1.5, 4.0), st.integers(50, 400), st.booleans())
    @settings(max_examples=40, deadline=None)
    def test_half_the_frame_rate_gives_the_same_verdicts(self, low: float, high: float, cut: int, up: bool) -> None:
        step = switch(low, high, at=cut / 25) if up else switch(high, low, at=cut / 25)

        def said(now: float) -> float:
            return step(now) + 0.3 * math.sin(5.0 * now)

        full = play(said, seconds=cut / 25 + 4.0)
        half = play(said, seconds=cut / 25 + 4.0, keep=2)
        assert [side for side, _ in sides(full)] == [side for side, _ in sides(half)]
        for (_, time), (_, other) in zip(sides(full), sides(half), strict=True):
            assert time == pytest.approx(other, abs=EVERY + 0.08), "a score's slot and a frame"

    @pytest.mark.parametrize("seed", range(4))
    def test_many_more_scores_per_second_change_no_verdict(self, seed: int) -> None:
        noise = noisy(switch(-2.0, 2.0, at=10.0), seed=seed, deviation=0.5)
        few, many = play(noise, seconds=14.0), play(noise, seconds=14.0, fps=50.0, every=0.02)
        assert few.labels[:2] == many.labels[:2]
        assert few.changes[1].media_time == pytest.approx(many.changes[1].media_time, abs=0.2)
        assert few.verdicts[-1].effective_samples == pytest.approx(many.verdicts[-1].effective_samples, abs=0.05)

    def test_time_that_repeats_or_steps_back_adds_no_evidence(self) -> None:
        a, b = judge(), judge()
        for now in (0.0, 0.2, 0.4):
            a.update(scores({1: 2.0}), track_ids=[1], frame_index=0, media_time=now)
            b.update(scores({1: 2.0}), track_ids=[1], frame_index=0, media_time=now)
        for now in (0.4, 0.35, 0.4, 0.39):
            said = b.update(scores({1: 2.0}), track_ids=[1], frame_index=0, media_time=now).verdicts[0]
        steady = a.update(Scores.none(), track_ids=[1], frame_index=0, media_time=0.4).verdicts[0]
        assert said.effective_samples == pytest.approx(steady.effective_samples)

    def test_a_clock_set_back_drops_the_evidence_and_the_label(self) -> None:
        court = judge()
        for i in range(20):
            said = court.update(scores({1: 3.0}), track_ids=[1], frame_index=i, media_time=100 + i / 5)
        assert said.verdicts[0].label is Label.LIKELY_FAKE
        back = court.update(Scores.none(), track_ids=[1], frame_index=20, media_time=0.0)
        assert back.verdicts[0].label is Label.NOT_ENOUGH_EVIDENCE
        assert back.verdicts[0].reasons == (Reason.TOO_FEW_SAMPLES,)
        assert back.verdicts[0].probability is None
        assert (back.changes[0].began, back.changes[0].window, back.changes[0].witnesses) == (0.0, (0.0, 0.0), ())
        for i in range(10):
            said = court.update(scores({1: 3.0}), track_ids=[1], frame_index=21 + i, media_time=i / 5)
        assert said.verdicts[0].label is Label.LIKELY_FAKE
        seconds = court.summaries()[0].label_seconds
        assert sum(seconds.values()) == pytest.approx(3.8 + 1.8), "the jump itself took no time"

    @given(st.lists(st.tuples(st.floats(-50.0, 50.0), said_of_a_slot), max_size=40))
    @settings(max_examples=60, deadline=None)
    def test_any_times_and_scores_are_accepted(self, steps: list[tuple[float, Said]]) -> None:
        court, now = judge(), 0.0
        for index, (step, said) in enumerate(steps):
            now += step
            present = [] if said is None else [7]
            judged = court.update(
                scores({7: said} if present else {}), track_ids=present, frame_index=index, media_time=now
            )
            for verdict in judged.verdicts:
                assert verdict.probability is None or 0.0 <= verdict.probability <= 1.0
                assert 0.0 <= verdict.effective_samples <= 2.0 + 1e-9
                assert verdict.reasons or verdict.label is not Label.NOT_ENOUGH_EVIDENCE
                assert verdict.since <= now or verdict.since <= 50.0 * 40
            for change in judged.changes:
                assert math.isfinite(change.began)
                assert change.began <= change.media_time
                assert change.before is not change.after


class TestHonesty:
    @given(st.lists(st.sampled_from([None, math.nan, Reason.TOO_SMALL, Reason.NOT_SEEN]), min_size=1, max_size=30))
    @settings(max_examples=40, deadline=None)
    def test_without_a_usable_score_there_is_no_verdict(self, values: list[Said]) -> None:
        seconds, said = slots(values)
        timeline = play(said, seconds=seconds)
        assert timeline.changes == []
        assert all(v.label is Label.NOT_ENOUGH_EVIDENCE and v.reasons for v in timeline.verdicts)
        assert all(s.verdict.label is Label.NOT_ENOUGH_EVIDENCE for s in timeline.summaries)

    @given(streams)
    @settings(max_examples=30, deadline=None)
    def test_not_enough_evidence_always_has_a_reason(self, values: list[Said]) -> None:
        seconds, said = slots(values)
        for verdict in play(said, seconds=seconds).verdicts:
            assert verdict.reasons or verdict.label is not Label.NOT_ENOUGH_EVIDENCE

    def test_faces_are_judged_separately_in_the_given_order(self) -> None:
        court = judge()
        for i in range(10):
            both = scores({5: -3.0, 2: 3.0})
            said = court.update(both, track_ids=np.array([2, 5]), frame_index=i, media_time=i / 5).verdicts
        assert [(v.track_id, v.label) for v in said] == [(2, Label.LIKELY_FAKE), (5, Label.LIKELY_REAL)]


class TestStill:
    @pytest.mark.parametrize(
        ("log_odds", "weight", "label", "probability"),
        [
            (3.0, 1.0, Label.LIKELY_FAKE, 0.953),
            (3.0, 0.5, Label.SUSPICIOUS, 0.818),
            (-2.0, 1.0, Label.LIKELY_REAL, 0.119),
        ],
    )
    def test_a_picture_is_judged_on_its_only_sample(
        self, log_odds: float, weight: float, label: Label, probability: float
    ) -> None:
        judged = judge(still=True).update(
            scores({1: log_odds}, weight=weight), track_ids=[1], frame_index=0, media_time=0.0
        )
        verdict = judged.verdicts[0]
        assert (verdict.label, verdict.samples, verdict.reasons) == (label, 1, (Reason.SINGLE_IMAGE,))
        assert verdict.probability == pytest.approx(probability, abs=0.001)
        assert judged.changes[0].reasons == (Reason.SINGLE_IMAGE,)

    def test_undecided_and_unusable_pictures_have_a_reason(self) -> None:
        court = judge(still=True)
        undecided, unusable = court.update(
            scores({1: 0.2, 2: Reason.TOO_SMALL}), track_ids=[1, 2], frame_index=0, media_time=0.0
        ).verdicts
        assert undecided.reasons == (Reason.INCONCLUSIVE, Reason.SINGLE_IMAGE)
        assert unusable.reasons == (Reason.TOO_FEW_SAMPLES, Reason.TOO_SMALL, Reason.SINGLE_IMAGE)
        assert [s.verdict.reasons for s in court.summaries()] == [undecided.reasons, unusable.reasons]

    def test_the_summary_of_a_picture_is_its_verdict(self) -> None:
        court = judge(still=True)
        said = court.update(scores({1: -2.0}), track_ids=[1], frame_index=0, media_time=0.0).verdicts[0]
        assert court.summaries()[0].verdict == said


class TestMemory:
    def test_ended_tracks_are_freed_and_unknown_ones_ignored(self) -> None:
        court = judge()
        court.update(scores({3: 1.0}), track_ids=[3], frame_index=0, media_time=0.0)
        ended = court.end([3, 99])
        assert [summary.track_id for summary in ended] == [3]
        assert court.summaries() == ()

    def test_a_week_of_short_tracks_leaves_no_state(self) -> None:
        court, week, peak = judge(), 7 * 86_400, 0
        for index in range(2000):
            start = index * week / 2000
            for i in range(6):
                court.update(
                    scores({index: -1.0, 10**6: 0.5}), track_ids=[index, 10**6], frame_index=i, media_time=start + i
                )
            court.end([index])
            resident = court._tracks[10**6]
            peak = max(peak, len(court._tracks), len(resident._samples), len(resident._rejections))
        assert peak <= 8
        assert [summary.track_id for summary in court.summaries()] == [10**6]
