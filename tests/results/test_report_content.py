import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from support.observations import change, segment, source_info, summary

from monitor.classifiers.model_card import ModelCard
from monitor.results.report_content import AnalysedSource, ModelSummary, SourceVerdictInWords, SuspiciousSpan
from monitor.types import Label, Reason, SourceVerdict


def test_suspicious_moments_of_all_faces_are_joined_where_they_overlap() -> None:
    spans = SuspiciousSpan.of(
        [
            segment(3, 6.0, 7.0),
            segment(1, 1.0, 3.0, peak=0.8),
            segment(2, 2.5, 4.0, Label.LIKELY_FAKE, peak=0.97),
            segment(1, 4.0, 4.5, peak=0.76),
        ]
    )
    assert [span.to_dict() for span in spans] == [
        {"start": 1.0, "end": 4.5, "label": "LIKELY_FAKE", "peak": 0.97, "track_ids": [1, 2]},
        {"start": 6.0, "end": 7.0, "label": "SUSPICIOUS", "peak": 0.8, "track_ids": [3]},
    ]
    assert SuspiciousSpan.of([]) == ()


def test_a_segment_inside_another_shortens_nothing() -> None:
    (span,) = SuspiciousSpan.of([segment(1, 1.0, 9.0), segment(2, 2.0, 3.0)])
    assert (span.start, span.end) == (1.0, 9.0)


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        (
            SourceVerdict(Label.LIKELY_FAKE, 0.962, 3, ()),
            "Likely fake: face 3 looks manipulated (P(fake) 96 %).",
        ),
        (
            SourceVerdict(Label.SUSPICIOUS, 0.8, 2, (Reason.ENGINE_DEGRADED,)),
            "Suspicious: face 2 may be manipulated (P(fake) 80 %); engine degraded.",
        ),
        (
            SourceVerdict(Label.LIKELY_REAL, 0.001, 1, ()),
            "Likely real: no face looks manipulated (highest: face 1, P(fake) <1 %).",
        ),
        (
            SourceVerdict(Label.NOT_ENOUGH_EVIDENCE, None, None, (Reason.NO_FACE,)),
            "Not enough evidence: no face.",
        ),
        (
            SourceVerdict(Label.NOT_ENOUGH_EVIDENCE, 0.5, 1, (Reason.INCONCLUSIVE, Reason.TOO_DARK)),
            "Not enough evidence: leans neither way, face too dark.",
        ),
    ],
)
def test_the_verdict_is_said_in_plain_words(verdict: SourceVerdict, sentence: str) -> None:
    assert SourceVerdictInWords(verdict).to_dict()["in_words"] == sentence


def test_numbers_are_rounded_and_what_is_no_number_is_unknown() -> None:
    record = AnalysedSource.of(source_info(fps=29.970029970029, duration=math.nan), sha256=None).to_dict()
    assert (record["fps"], record["duration"]) == (29.97, None)
    assert change(1).to_dict()["probability"] == 0.9312
    assert change(1).to_dict()["witnesses"][0]["log_odds"] == 3.1235


def test_numbers_of_numpy_become_json(tmp_path: Path) -> None:
    span = dataclasses.replace(segment(1, 1.0, 2.0), peak=np.float32(0.75), start=np.float64(1.0))
    assert json.loads(json.dumps(span.to_dict()))["peak"] == 0.75


def test_a_track_spends_its_seconds_under_every_label() -> None:
    record = summary(7, Label.LIKELY_FAKE, 0.95).to_dict()
    assert record["label_seconds"] == {
        "NOT_ENOUGH_EVIDENCE": 0.6,
        "LIKELY_REAL": 0.0,
        "SUSPICIOUS": 0.0,
        "LIKELY_FAKE": 3.2,
    }
    assert record["confidence"] == 0.95
    assert summary(8, Label.NOT_ENOUGH_EVIDENCE, 0.5).to_dict()["confidence"] is None


def test_a_file_has_a_size_and_a_folder_has_none(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"12345")
    assert AnalysedSource.of(source_info(clip), sha256="ab").bytes == 5
    assert AnalysedSource.of(source_info(tmp_path, kind="folder"), sha256=None).bytes is None


def test_a_model_names_the_generators_that_it_cannot_tell() -> None:
    card = ModelCard.model_validate_json((Path(__file__).parents[2] / "engines/efficientnet_lite0.json").read_bytes())
    domain = card.domains[0].model_copy(update={"kind": "generator", "groups": 9})
    domains = [
        domain.model_copy(update={"name": name, "auc": auc, "ci95": interval})
        for name, auc, interval in (("Blind", 0.5, (0.4, 0.6)), ("Seen", 0.8, (0.7, 0.9)), ("Worse", 0.2, (0.1, 0.3)))
    ]
    few = domain.model_copy(update={"name": "Few", "groups": 1})
    summary = ModelSummary.of(card.model_copy(update={"domains": (*domains, few)}))
    assert summary.to_dict()["blind_generators"] == ["Blind", "Worse"]
