from datetime import UTC, datetime

import numpy as np
import pytest

from monitor.types import Faces, Frame, Label, Qualities, Reason, ScoreProcess, Scores, TrackedFaces, Verdict


def frame(pixels: np.ndarray) -> Frame:
    return Frame(pixels=pixels, index=0, media_time=0.0, captured_at=datetime.now(UTC), source="test")


def verdict(label: Label, probability: float | None, *reasons: Reason) -> Verdict:
    return Verdict(
        track_id=1,
        label=label,
        probability=probability,
        samples=3,
        effective_samples=2.0,
        usable_share=1.0,
        reasons=reasons,
        since=0.0,
    )


def test_published_pixels_are_read_only() -> None:
    published = frame(np.zeros((2, 3, 3), np.uint8))
    assert (published.height, published.width) == (2, 3)
    with pytest.raises(ValueError, match="read-only"):
        published.pixels[0, 0, 0] = 1


@pytest.mark.parametrize("pixels", [np.zeros((2, 3), np.uint8), np.zeros((2, 3, 4), np.uint8), np.zeros((2, 3, 3))])
def test_pixels_of_another_shape_or_type_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="pixels must"):
        frame(pixels)


def test_columns_must_agree() -> None:
    none = Faces.none()
    with pytest.raises(ValueError, match="probabilities"):
        Faces(boxes=np.zeros((1, 4), np.float32), probabilities=none.probabilities, landmarks=none.landmarks)
    with pytest.raises(ValueError, match="track_ids"):
        TrackedFaces(faces=none, track_ids=np.ones(1, np.int64))
    empty = np.zeros(0, np.float32)
    with pytest.raises(ValueError, match="size"):
        Qualities(
            size=np.zeros(1, np.float32),
            sharpness=empty,
            brightness=empty,
            yaw=empty,
            pitch=empty,
            roll=empty,
            weights=empty,
            reasons=(),
        )


def test_faces_can_be_selected_by_mask_and_order() -> None:
    boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
    faces = Faces(boxes=boxes, probabilities=np.ones(3, np.float32), landmarks=np.zeros((3, 5, 2), np.float32))
    assert faces[np.array([True, False, True])].boxes.tolist() == boxes[[0, 2]].tolist()
    assert faces[[2, 0]].boxes.tolist() == boxes[[2, 0]].tolist()
    assert len(faces[:0]) == 0


def test_empty_scores_keep_the_rejected_tracks() -> None:
    scores = Scores.none({4: (Reason.TOO_DARK,)})
    assert len(scores) == 0
    assert scores.rejected == {4: (Reason.TOO_DARK,)}


def test_not_enough_evidence_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="at least one reason"):
        verdict(Label.NOT_ENOUGH_EVIDENCE, None)
    assert verdict(Label.NOT_ENOUGH_EVIDENCE, 0.5, Reason.INCONCLUSIVE).confidence is None


def test_confidence_is_the_probability_of_the_label() -> None:
    assert verdict(Label.LIKELY_FAKE, 0.95).confidence == pytest.approx(0.95)
    assert verdict(Label.LIKELY_REAL, 0.1).confidence == pytest.approx(0.9)


@pytest.mark.parametrize(("label", "probability"), [(Label.LIKELY_FAKE, 0.17), (Label.LIKELY_REAL, 0.83)])
def test_no_confidence_is_shown_while_a_label_is_about_to_change(label: Label, probability: float) -> None:
    assert verdict(label, probability).confidence is None


def test_severity_orders_labels() -> None:
    assert sorted(Label, key=lambda label: label.severity) == [
        Label.NOT_ENOUGH_EVIDENCE,
        Label.LIKELY_REAL,
        Label.SUSPICIOUS,
        Label.LIKELY_FAKE,
    ]
    assert [label for label in Label if label.suspects] == [Label.SUSPICIOUS, Label.LIKELY_FAKE]


def test_a_score_process_without_any_possible_verdict_is_refused() -> None:
    with pytest.raises(ValueError, match="or no face is ever judged"):
        ScoreProcess(min_effective_samples=2.0, max_effective_samples=2.0)


@pytest.mark.parametrize(
    "wrong",
    [{"correlation_time": 0.0}, {"max_sample_logit": -1.0}, {"change_threshold": 0.0}, {"max_effective_samples": 0.5}],
)
def test_an_invalid_score_process_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ScoreProcess(**wrong)
