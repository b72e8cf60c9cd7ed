import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.analysis.verdicts.samples import MAX_SAMPLES, Sample, Samples, change_point, novelty, saturate
from monitor.settings import VerdictSettings
from monitor.types import ScoreProcess

PROCESS, DECAY_TIME = ScoreProcess(), VerdictSettings().decay_time
QUIET = ScoreProcess(change_threshold=1e9)
gaps = st.floats(0.0, 3.0)
values = st.floats(-4.0, 4.0)


def sample(time: float, log_odds: float = 1.0, weight: float = 1.0) -> Sample:
    return Sample(round(time * 25), time, log_odds, weight)


def gathered(*series: Sample, process: ScoreProcess = PROCESS) -> Samples:
    samples = Samples(process, decay_time=DECAY_TIME)
    for one in series:
        samples.add(one)
    return samples


def every(gap: float, *log_odds: float, start: float = 0.0) -> list[Sample]:
    return [sample(start + i * gap, value) for i, value in enumerate(log_odds)]


class TestNovelty:
    def test_one_sample_counts_as_one_effective_sample(self) -> None:
        assert novelty(np.array([3.0]), 0.3).tolist() == [1.0]

    def test_distant_samples_are_independent(self) -> None:
        assert novelty(np.array([0.0, 60.0, 120.0]), 0.3) == pytest.approx([1.0, 1.0, 1.0])

    def test_copies_count_as_one_effective_sample(self) -> None:
        assert novelty(np.array([1.0, 1.0, 1.0]), 0.3).tolist() == [0.5, 0.0, 0.5]

    @pytest.mark.parametrize("rate", [10, 25, 100, 1000])
    def test_neighbours_count_by_time_and_not_by_frames(self, rate: int) -> None:
        witnesses = novelty(np.linspace(0.0, 1.0, rate + 1), 0.3).sum()
        assert witnesses == pytest.approx(1.0 + 1.0 / (2 * 0.3), rel=0.02)

    @given(st.lists(gaps, min_size=1, max_size=12), st.floats(0.05, 2.0))
    def test_novelty_is_the_information_of_a_gauss_markov_series(self, steps: list[float], tau: float) -> None:
        times = np.cumsum([step + 0.05 for step in steps])
        precision = np.linalg.inv(np.exp(-np.abs(times[:, None] - times[None]) / tau))
        assert novelty(times, tau) == pytest.approx(precision.sum(axis=0), rel=1e-6, abs=1e-6), "the BLUE's weights"

    def test_a_step_back_counts_as_no_step(self) -> None:
        assert novelty(np.array([1.0, 0.9]), 0.3).tolist() == [0.5, 0.5]


class TestSaturation:
    def test_one_sample_counts_fully_and_many_stop_at_the_limit(self) -> None:
        assert [saturate(n, most=2.0) for n in (0.0, 0.4, 1.0)] == [0.0, 0.4, 1.0]
        assert saturate(3.0, most=2.0) == pytest.approx(1.5)
        assert saturate(1e9, most=2.0) == pytest.approx(2.0)

    @given(st.floats(0.0, 1e3), st.floats(0.0, 1e3), st.floats(1.0, 100.0))
    def test_saturation_is_monotonic(self, few: float, more: float, most: float) -> None:
        low, high = sorted((few, more))
        assert saturate(low, most=most) <= saturate(high, most=most) + 1e-9 <= max(most, high) + 2e-9


class TestSamples:
    def test_no_sample_gives_no_evidence(self) -> None:
        samples = Samples(PROCESS, decay_time=DECAY_TIME)
        assert (samples.effective(5.0), samples.log_odds(5.0), samples.probability(5.0)) == (0.0, 0.0, None)
        assert samples.window(5.0) == (5.0, 5.0)
        assert samples.top_samples(5.0, most=8) == ()
        assert samples.onset(5.0, sign=1) == 5.0

    def test_one_sample_gives_its_own_log_odds(self) -> None:
        samples = gathered(sample(0.0, 2.0, weight=0.5))
        assert samples.effective(0.0) == 0.5
        assert samples.log_odds(0.0) == 1.0
        assert samples.probability(0.0) == pytest.approx(1 / (1 + math.exp(-1.0)))

    def test_evidence_decays_and_keeps_its_mean(self) -> None:
        samples = gathered(*every(0.2, *[1.5] * 10))
        now, later = samples.effective(1.8), samples.effective(1.8 + DECAY_TIME)
        assert later < now
        assert samples.log_odds(1.8 + DECAY_TIME) / later == pytest.approx(samples.log_odds(1.8) / now)

    def test_contributions_add_up_to_the_log_odds(self) -> None:
        samples = gathered(*every(0.2, 1.0, -2.0, 3.0, 0.5, -1.0))
        top = samples.top_samples(0.9, most=99)
        assert sum(one.contribution for one in top) == pytest.approx(samples.log_odds(0.9))
        sizes = [abs(one.contribution) for one in top]
        assert sizes == sorted(sizes, reverse=True)
        assert samples.top_samples(0.9, most=2) == top[:2]

    def test_old_samples_are_dropped(self) -> None:
        samples = gathered(sample(0.0), sample(20.0), sample(31.0))
        assert samples.window(31.0) == (20.0, 31.0)

    def test_the_number_of_samples_is_bounded_at_any_rate(self) -> None:
        samples = Samples(QUIET, decay_time=DECAY_TIME)
        samples._samples.extend(sample(i / 1000) for i in range(3 * MAX_SAMPLES))
        samples.add(sample(4.0))
        assert len(samples) == MAX_SAMPLES

    def test_a_hundred_copies_of_a_frame_count_once(self) -> None:
        series = every(0.2, *[1.0] * 20)
        alone, crowded = gathered(*series), gathered(*series, *[sample(3.8 + i * 1e-4) for i in range(1, 101)])
        assert crowded.effective(3.81) <= alone.effective(3.81) + 0.01
        assert crowded.log_odds(3.81) == pytest.approx(alone.log_odds(3.81), rel=0.01)

    @given(st.lists(st.tuples(gaps, values, st.floats(0.01, 1.0)), min_size=1, max_size=30), gaps)
    def test_probability_and_count_stay_in_range(self, steps: list[tuple[float, float, float]], wait: float) -> None:
        time, samples = 0.0, Samples(PROCESS, decay_time=DECAY_TIME)
        for gap, log_odds, weight in steps:
            time += gap
            samples.add(sample(time, log_odds, weight))
        probability = samples.probability(time + wait)
        assert probability is not None
        assert 0.0 <= probability <= 1.0
        assert 0.0 < samples.effective(time + wait) <= PROCESS.max_effective_samples + 1e-9

    @given(st.lists(st.tuples(gaps, values), min_size=1, max_size=20), st.data())
    def test_a_higher_score_never_lowers_the_evidence(
        self, steps: list[tuple[float, float]], data: st.DataObject
    ) -> None:
        which = data.draw(st.integers(0, len(steps) - 1))
        times = np.cumsum([gap for gap, _ in steps]).tolist()
        lower = [sample(time, value) for time, (_, value) in zip(times, steps, strict=True)]
        higher = list(lower)
        higher[which] = sample(times[which], lower[which].log_odds + 1.0)
        now = times[-1]
        assert gathered(*higher, process=QUIET).log_odds(now) >= gathered(*lower, process=QUIET).log_odds(now)


class TestChangePoint:
    def find(self, *log_odds: float, alarm: float = 5.0, gap: float = 0.2) -> int:
        times = gap * np.arange(len(log_odds))
        return change_point(np.array(log_odds), novelty(times, 0.3), enough=1.2, alarm=alarm)

    def test_a_change_point_is_found_at_its_position(self) -> None:
        assert self.find(*[-2.0] * 30, *[2.0] * 5) == 30
        assert self.find(*[2.0] * 30, *[-2.0] * 5) == 30

    def test_an_outlier_is_not_a_change_point(self) -> None:
        assert self.find(*[-2.0] * 30, 4.0) == 0
        assert self.find(*[-2.0] * 30, 4.0, 4.0) == 0, "two neighbours are hardly more than one witness"
        assert self.find(*[-2.0] * 15, 4.0, *[-2.0] * 15) == 0

    def test_a_steady_or_short_series_has_no_change_point(self) -> None:
        assert self.find(*[1.0] * 50) == 0
        assert self.find(1.0) == 0
        assert self.find(-4.0, 4.0) == 0

    def test_a_change_point_needs_more_than_the_noise(self) -> None:
        calm = [-0.7, -0.5] * 15 + [0.5, 0.7] * 3
        wild = [-1.9, 0.7] * 15 + [-0.7, 1.9] * 3
        assert self.find(*calm) == 30
        assert self.find(*wild) == 0

    def test_a_change_point_drops_earlier_samples(self) -> None:
        samples = gathered(*every(0.2, *[-2.0] * 40), *every(0.2, *[2.0] * 6, start=8.0))
        assert samples.window(9.0) == (8.0, 9.0)
        assert samples.restarted_at == 8.0
        for one in every(0.2, *[2.0] * 160, start=9.2):
            samples.add(one)
        assert samples.restarted_at is None, "the jump itself is out of memory by now"


class TestOnset:
    def test_the_onset_is_the_start_of_the_newest_run(self) -> None:
        samples = gathered(*every(0.5, -1.0, -1.0, -1.0, 2.0, -0.5, 2.0, 2.0), process=QUIET)
        assert samples.onset(3.0, sign=1) == 1.5
        assert samples.onset(3.0, sign=-1) == 3.0, "the newest sample speaks against: only now"

    def test_a_consistent_track_began_with_its_first_sample(self) -> None:
        assert gathered(*every(0.5, 1.0, 2.0, 0.5)).onset(1.0, sign=1) == 0.0

    def test_a_cleared_track_has_no_samples(self) -> None:
        samples = gathered(*every(0.5, 1.0, 2.0))
        samples.clear()
        assert len(samples) == 0
        assert samples.probability(1.0) is None
