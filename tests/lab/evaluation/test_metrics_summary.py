import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from support.outcomes import crowd, footage, moments, outcome, span

from monitor.lab.evaluation.metrics_summary import (
    MetricsSummary,
    abstentions,
    confusion,
    mistakes,
    section_of,
    true_label,
)
from monitor.types import Label, Reason

FEW = 200  # resamples


@pytest.fixture(scope="module")
def card() -> MetricsSummary:
    return MetricsSummary.of(crowd(), resamples=FEW)


def test_everything_is_accounted_for(card: MetricsSummary) -> None:
    counts = card.whole.counts
    assert (counts.total, counts.fakes, counts.reals, counts.failed) == (121, 61, 60, 1)
    assert counts.without_probability == 3
    assert counts.groups == len({one.unit for one in crowd() if not one.failed})
    labelled = sum(sum(row.values()) for row in card.confusion.values())
    assert labelled == counts.total - counts.failed
    assert counts.abstained == sum(row["NOT_ENOUGH_EVIDENCE"] for row in card.confusion.values())
    assert sum(card.abstentions.values()) == counts.abstained
    assert sum(one.count for one in card.reliability) == 117


def test_abstentions_enter_the_ranking_in_two_stated_ways(card: MetricsSummary) -> None:
    some = [one for one in crowd() if not one.failed]
    ranked = [one for one in some if one.probability is not None]
    excluded = roc_auc_score(np.array([one.label for one in ranked]), np.array([one.probability for one in ranked]))
    tied = roc_auc_score(
        np.array([one.label for one in some]),
        np.array([0.5 if one.probability is None else one.probability for one in some]),
    )
    assert card.whole.ranking["auc"].value == pytest.approx(excluded)
    assert card.whole.ranking_of_all["auc"].value == pytest.approx(tied)
    assert card.whole.ranking["auc"].n == 117
    assert card.whole.ranking_of_all["auc"].n == 120
    assert card.whole.ranking["auc"].low < card.whole.ranking["auc"].value < card.whole.ranking["auc"].high


def test_an_abstention_is_an_error_only_over_everything() -> None:
    some = [
        outcome("a", label=1, probability=0.95),
        outcome("b", label=0, probability=0.05),
        outcome("c", label=1, probability=0.5),
        outcome("d", label=0, probability=None),
        outcome("e", label=0, failure="broken"),
    ]
    found = section_of(some, resamples=FEW)
    assert found.decisions["accuracy"].value == 1.0
    assert found.decisions["accuracy_over_everything"].value == 0.5
    assert found.decisions["abstain_share"].value == 0.5
    assert found.forced["accuracy"].value == 1.0, "0.5 is called fake, no face real"
    assert found.forced["recall"].value == 1.0


def test_each_data_set_and_method_has_its_own_figures(card: MetricsSummary) -> None:
    assert set(card.datasets) == {"first", "second", "made"}, "the unreadable file has one of its own"
    assert set(card.methods) == {"swap", "reenact"}
    swaps = card.methods["swap"].counts
    assert swaps.fakes == 31  # thirty crops and the unreadable file
    assert swaps.reals == 60, "against all reals of the data sets that have it"
    assert MetricsSummary.of([outcome("a"), outcome("b")], resamples=FEW).datasets == {}


def test_a_method_is_not_held_against_the_reals_of_other_data_sets() -> None:
    some = [outcome("a", label=1, dataset="x"), outcome("b", dataset="x"), outcome("c", dataset="y")]
    counts = MetricsSummary.of(some, resamples=FEW).methods["swap"].counts
    assert (counts.fakes, counts.reals) == (1, 1)


def test_the_same_outcomes_give_the_same_figures(card: MetricsSummary) -> None:
    assert MetricsSummary.of(crowd(), resamples=FEW) == card
    other = MetricsSummary.of(crowd(), resamples=FEW, seed=1)
    assert other.whole.ranking["auc"].value == card.whole.ranking["auc"].value
    assert other.whole.ranking["auc"].low != card.whole.ranking["auc"].low


def test_moments_carry_the_truth_of_their_own_time() -> None:
    film = footage(10, fake_spans=(span(4, 6),), moments=moments((0, 10, Label.LIKELY_REAL)))
    partly = outcome("film", label=1, footage=film)
    truth = {round(moment.media_time, 1): true_label(partly, moment) for moment in film.moments}
    assert (truth[3.8], truth[4.0], truth[5.8], truth[6.0]) == (0, 1, 1, 0)
    card = MetricsSummary.of([partly], resamples=FEW)
    assert card.moments is not None
    assert (card.moments.n, card.moments.fakes, card.moments.groups) == (50, 10, 1)
    assert card.moments.ranking["auc"].value == pytest.approx(0.5), "every single score is the same"
    assert card.moments.ranking["auc"].low is None


def test_a_whole_fake_is_fake_in_every_moment() -> None:
    film = footage(2, moments=moments((0, 2, Label.LIKELY_FAKE)))
    assert {true_label(outcome("film", label=1, footage=film), moment) for moment in film.moments} == {1}


def test_crops_have_neither_moments_nor_monitoring(card: MetricsSummary) -> None:
    assert card.moments is card.monitoring is None


def test_abstentions_by_foremost_reason() -> None:
    some = [
        outcome("a", probability=None, reasons=(Reason.TOO_DARK, Reason.NO_FACE)),
        outcome("b", probability=None),
        outcome("c", probability=None),
        outcome("d", probability=0.1),
    ]
    assert list(abstentions(some).items()) == [("NO_FACE", 2), ("TOO_DARK", 1)]


def test_confusion_by_hand() -> None:
    some = [
        outcome("a", label=1, probability=0.8),
        outcome("b", label=1, probability=0.1),
        outcome("c", probability=0.95),
    ]
    table = confusion(some)
    assert table["fake"] == {"NOT_ENOUGH_EVIDENCE": 0, "LIKELY_REAL": 1, "SUSPICIOUS": 1, "LIKELY_FAKE": 0}
    assert table["real"]["LIKELY_FAKE"] == 1


def test_the_worst_mistakes_come_first() -> None:
    some = [
        outcome("a", label=1, probability=0.4),
        outcome("b", label=1, probability=0.1),
        outcome("c", label=1, probability=0.9),
        outcome("d", label=0, probability=0.99),
        outcome("e", label=1, probability=None),
    ]
    assert [one.id for one in mistakes(some, label=1, most=5)] == ["b", "a"]
    assert [one.id for one in mistakes(some, label=1, most=1)] == ["b"]
    assert [one.id for one in mistakes(some, label=0, most=5)] == ["d"]


def test_what_was_decided_wrongly_is_a_mistake_whatever_its_mean() -> None:
    some = [
        outcome("found", label=1, probability=0.2, decision=Label.LIKELY_FAKE),  # a short manipulation in a long film
        outcome("accused", label=0, probability=0.2, decision=Label.SUSPICIOUS),
        outcome("leaning", label=0, probability=0.6, decision=Label.NOT_ENOUGH_EVIDENCE),
    ]
    assert mistakes(some, label=1, most=5) == []
    assert [one.id for one in mistakes(some, label=0, most=5)] == ["leaning", "accused"]


def test_one_class_leaves_no_number_without_a_reason() -> None:
    card = MetricsSummary.of([outcome(f"r{number}") for number in range(4)], resamples=FEW)
    for estimates in (card.whole.ranking, card.whole.decisions, card.whole.forced, card.whole.calibration):
        for one in estimates.values():
            assert one.value is not None or one.why
    assert card.whole.ranking["auc"].why == "there are no fakes"
    assert dataclasses.asdict(card)["whole"]["counts"]["fakes"] == 0
