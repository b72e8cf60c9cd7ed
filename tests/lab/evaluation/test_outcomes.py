import numpy as np
import pytest
from support.outcomes import outcome

from monitor.errors import DatasetError
from monitor.lab.evaluation.outcomes import Columns, decide, numbered
from monitor.settings import VerdictSettings
from monitor.types import Label, Reason


@pytest.mark.parametrize(
    ("probability", "label"),
    [
        (0.0, Label.LIKELY_REAL),
        (0.25, Label.LIKELY_REAL),
        (0.26, Label.NOT_ENOUGH_EVIDENCE),
        (0.799, Label.NOT_ENOUGH_EVIDENCE),
        (0.8, Label.SUSPICIOUS),
        (0.9, Label.LIKELY_FAKE),
        (1.0, Label.LIKELY_FAKE),
    ],
)
def test_one_score_is_decided_by_the_shipped_thresholds(probability: float, label: Label) -> None:
    decision, reasons = decide(probability, VerdictSettings())
    assert decision is label
    assert reasons == ((Reason.INCONCLUSIVE,) if label is Label.NOT_ENOUGH_EVIDENCE else ())


def test_nothing_is_dropped_but_failures_and_they_say_so() -> None:
    some = [
        outcome("a", label=1, probability=0.95),
        outcome("b", label=0, probability=None, reasons=(Reason.NO_FACE,)),
        outcome("c", label=0, probability=0.5, group="g"),
        outcome("d", label=0, failure="d.mp4: no picture"),
        outcome("e", label=1, probability=0.1, group="g"),
    ]
    columns = Columns.of(some)
    assert [one.id for one in columns.outcomes] == ["a", "b", "c", "e"]
    assert columns.labels.tolist() == [1, 0, 0, 1]
    assert columns.accused.tolist() == [True, False, False, False]
    assert columns.abstained.tolist() == [False, True, True, False]
    assert columns.ranked.tolist() == [True, False, True, True]
    assert columns.tied.tolist() == [0.95, 0.5, 0.5, 0.1]
    assert columns.units[2] == columns.units[3], "a fake and its original are drawn together"
    assert len(set(columns.units.tolist())) == 3
    assert [one.failed for one in some].count(True) == 1


def test_equal_ids_of_two_data_sets_are_two_units() -> None:
    assert outcome("a", dataset="x").unit != outcome("a", dataset="y").unit


def test_a_wrong_answer_loses_more() -> None:
    assert outcome("a", label=1, probability=0.9).loss == pytest.approx(0.1)
    assert outcome("a", label=0, probability=0.9).loss == pytest.approx(0.9)
    assert outcome("a", label=0, probability=None).loss is None


def test_a_decision_and_a_failure_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="either"):
        outcome("a", failure="broken", decision=Label.LIKELY_REAL)


def test_a_label_is_real_or_fake() -> None:
    with pytest.raises(DatasetError, match="must be 1"):
        outcome("a", label=2)


def test_names_get_numbers() -> None:
    assert numbered(["b", "a", "b"]).tolist() == [1, 0, 1]
    assert numbered([]).dtype == np.int64
