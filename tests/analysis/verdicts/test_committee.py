"""Verdicts of a committee: P(fake) of each classifier alone, and no verdict while two disagree."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from support.score_stream import EVERY, scores

from monitor.analysis.verdicts import Judge
from monitor.settings import VerdictSettings
from monitor.types import ClassifierScores, Label, LabelChange, Reason, ScoreProcess, Verdict


def play(
    pairs: Iterable[tuple[float, float]], *, max_difference: float = 3.0
) -> tuple[list[Verdict], list[LabelChange]]:
    """The verdicts on one face from the log-odds of two classifiers; their mean is the fused score."""
    judge = Judge(VerdictSettings(), process=ScoreProcess(), classifiers=("one", "two"), max_difference=max_difference)
    verdicts: list[Verdict] = []
    changes: list[LabelChange] = []
    for index, pair in enumerate(pairs):
        parts = tuple(
            ClassifierScores(name, np.array([value / 2], np.float32), np.array([value], np.float32))
            for name, value in zip(("one", "two"), pair, strict=True)
        )
        fused = replace(scores({1: sum(pair) / 2}), parts=parts)
        judged = judge.update(fused, track_ids=[1], frame_index=index, media_time=index * EVERY)
        verdicts += judged.verdicts
        changes += judged.changes
    return verdicts, changes


def test_each_classifier_has_the_probability_of_its_own_samples() -> None:
    (*_, both), _ = play([(1.0, 3.0)] * 20)
    alone = [play([(value, value)] * 20)[0][-1].probability for value in (1.0, 3.0)]
    assert [one.classifier for one in both.classifiers] == ["one", "two"]
    assert [one.probability for one in both.classifiers] == pytest.approx(alone)
    assert both.label is Label.LIKELY_FAKE


def test_a_single_classifier_has_no_parts() -> None:
    judge = Judge(VerdictSettings(), process=ScoreProcess())
    (verdict,) = judge.update(scores({1: 2.0}), track_ids=[1], frame_index=0, media_time=0.0).verdicts
    assert verdict.classifiers == ()


def test_there_is_no_verdict_while_two_classifiers_disagree() -> None:
    verdicts, changes = play([(3.5, 1.5)] * 30 + [(3.5, -1.0)] * 100 + [(3.5, 3.5)] * 100)
    assert [change.after for change in changes] == [
        Label.LIKELY_FAKE,
        Label.NOT_ENOUGH_EVIDENCE,
        Label.LIKELY_FAKE,
    ]
    lost = changes[1]
    assert lost.threshold is None
    disagreeing = verdicts[lost.frame_index]
    assert disagreeing.reasons == (Reason.MODELS_DISAGREE,)
    one, two = disagreeing.classifiers
    assert one.probability > 0.9 > 0.5 > two.probability


def test_without_a_limit_classifiers_may_differ() -> None:
    (*_, verdict), _ = play([(4.0, -1.0)] * 30, max_difference=np.inf)
    assert verdict.reasons != (Reason.MODELS_DISAGREE,)


def test_a_sample_of_one_classifier_is_clipped_like_the_fused_score() -> None:
    (*_, extreme), _ = play([(50.0, 3.0)] * 20, max_difference=np.inf)
    (*_, clipped), _ = play([(ScoreProcess().max_sample_logit, 3.0)] * 20, max_difference=np.inf)
    assert extreme.classifiers == clipped.classifiers
