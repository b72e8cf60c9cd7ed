import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from monitor.analysis.scores import TOLERATED_FAILURES, Scorer
from monitor.classifiers import Classifier, load_classifier
from monitor.classifiers.crops import crop_squares, cut_squares
from monitor.classifiers.model_card import PlattCalibration
from monitor.errors import EngineError
from monitor.inference.batches import DynamicBatcher
from monitor.types import Faces, Floats, Pixels, Qualities, Reason, TrackedFaces


class MeanEngine:
    """Returns the redness of a crop, per quadrant and on average: a network with a predictable output."""

    name = "mean-fp32"

    def __init__(self) -> None:
        self.batches: list[Pixels] = []

    def run(self, batch: Pixels) -> tuple[Floats, ...]:
        self.batches.append(batch)
        n, size, *_ = batch.shape
        maps = batch[..., 0].astype(np.float32).reshape(n, 2, size // 2, 2, size // 2).mean((2, 4)) / 255
        return maps.mean((1, 2)) + np.float32(0.5), maps


class FailingEngine(MeanEngine):
    """Fails, or returns NaN for the given rows, in the given calls."""

    def __init__(self, *, calls: range, rows: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.calls, self.rows = calls, rows

    def run(self, batch: Pixels) -> tuple[Floats, ...]:
        logits, maps = super().run(batch)
        if len(self.batches) - 1 in self.calls:
            if not self.rows:
                raise EngineError("out of memory")
            maps[list(self.rows)] = np.nan
        return logits, maps


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """The shipped classifier with a simple calibration."""
    shipped = load_classifier()
    return replace(shipped, card=shipped.card.model_copy(update={"calibration": PlattCalibration(2.0, -0.5)}))


@pytest.fixture
def pixels() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (240, 400, 3), np.uint8)


@pytest.fixture
def tracked() -> TrackedFaces:
    boxes = np.array([[20, 30, 90, 130], [120, 60, 190, 150], [250, 20, 380, 200]], np.float32)
    faces = Faces(boxes=boxes, probabilities=np.ones(3, np.float32), landmarks=np.zeros((3, 5, 2), np.float32))
    return TrackedFaces(faces=faces, track_ids=np.array([4, 7, 9]))


def qualities(*weights: float, reasons: tuple[tuple[Reason, ...], ...] = ((), (), ())) -> Qualities:
    zeros = np.zeros(3, np.float32)
    return Qualities(
        size=zeros,
        sharpness=zeros,
        brightness=zeros,
        yaw=zeros,
        pitch=zeros,
        roll=zeros,
        weights=np.array(weights, np.float32),
        reasons=reasons,
    )


def test_all_faces_of_a_frame_are_scored_in_one_batch(
    pixels: Pixels, tracked: TrackedFaces, classifier: Classifier
) -> None:
    engine = MeanEngine()
    scores = Scorer(classifier, engine).score(pixels, tracked, qualities(1, 0.5, 0.25), rows=[0, 1, 2])
    squares = crop_squares(tracked.faces.boxes, policy=classifier.card.crop)
    expected = cut_squares(pixels, squares, size=classifier.input_size)
    assert len(engine.batches) == 1
    assert engine.batches[0].dtype == np.uint8
    np.testing.assert_array_equal(engine.batches[0], expected)
    np.testing.assert_array_equal(scores.track_ids, [4, 7, 9])
    np.testing.assert_array_equal(scores.crops, squares)
    np.testing.assert_array_equal(scores.weights, np.array([1, 0.5, 0.25], np.float32))
    logits = expected[..., 0].mean((1, 2)) / 255 + 0.5
    np.testing.assert_allclose(scores.log_odds, 2.0 * logits - 0.5, atol=1e-5)
    np.testing.assert_allclose(scores.evidence_maps.mean((1, 2)) + 2.0 * 0.5 - 0.5, scores.log_odds, atol=1e-5)
    (part,) = scores.parts
    assert part.classifier == classifier.card.id
    np.testing.assert_allclose(part.logits, logits, atol=1e-5)
    assert scores.rejected == {}


def test_only_the_due_rows_are_scored(pixels: Pixels, tracked: TrackedFaces, classifier: Classifier) -> None:
    scorer = Scorer(classifier, MeanEngine())
    everything = scorer.score(pixels, tracked, qualities(1, 1, 1), rows=[0, 1, 2])
    some = scorer.score(pixels, tracked, qualities(1, 1, 1), rows=[2, 0])
    np.testing.assert_array_equal(some.track_ids, [9, 4])
    np.testing.assert_allclose(some.log_odds, everything.log_odds[[2, 0]], atol=1e-6)
    np.testing.assert_array_equal(some.crops, everything.crops[[2, 0]])
    assert some.rejected == {}


def test_faces_without_weight_are_rejected_with_their_reasons(
    pixels: Pixels, tracked: TrackedFaces, classifier: Classifier
) -> None:
    engine = MeanEngine()
    why = ((Reason.TOO_SMALL, Reason.TOO_DARK), (), (Reason.PROFILE_POSE,))
    scores = Scorer(classifier, engine).score(pixels, tracked, qualities(0, 1, 0, reasons=why), rows=[0, 1])
    np.testing.assert_array_equal(scores.track_ids, [7])
    assert scores.rejected == {4: (Reason.TOO_SMALL, Reason.TOO_DARK)}  # track 9 was not due
    assert engine.batches[0].shape[0] == 1


def test_the_engine_does_not_run_without_a_usable_face(
    pixels: Pixels, tracked: TrackedFaces, classifier: Classifier
) -> None:
    engine = MeanEngine()
    scorer = Scorer(classifier, engine)
    scores = scorer.score(pixels, tracked, qualities(0, 0, 0, reasons=((Reason.TOO_DARK,),) * 3), rows=[0, 1, 2])
    assert len(scores) == 0
    assert set(scores.rejected) == {4, 7, 9}
    assert len(scorer.score(pixels, tracked, qualities(1, 1, 1), rows=[])) == 0
    assert engine.batches == []


def test_another_input_size_reaches_the_engine(pixels: Pixels, tracked: TrackedFaces, classifier: Classifier) -> None:
    engine = MeanEngine()
    Scorer(replace(classifier, input_size=128), engine).score(pixels, tracked, qualities(1, 1, 1), rows=[0])
    assert engine.batches[0].shape == (1, 128, 128, 3)


def test_a_failure_is_a_rejection_and_logged_once(
    pixels: Pixels, tracked: TrackedFaces, classifier: Classifier, caplog: pytest.LogCaptureFixture
) -> None:
    scorer = Scorer(classifier, FailingEngine(calls=range(3)))
    with caplog.at_level(logging.WARNING):
        scores = [scorer.score(pixels, tracked, qualities(1, 0, 1), rows=[0, 1, 2]) for _ in range(4)]
    for failed in scores[:3]:
        assert len(failed) == 0
        assert failed.rejected == {4: (Reason.ENGINE_DEGRADED,), 7: (), 9: (Reason.ENGINE_DEGRADED,)}
    np.testing.assert_array_equal(scores[3].track_ids, [4, 9])
    assert [record.getMessage() for record in caplog.records] == [
        "faces are not scored, they count as ENGINE_DEGRADED: out of memory"
    ]


def test_a_value_that_is_not_finite_rejects_only_its_face(
    pixels: Pixels, tracked: TrackedFaces, classifier: Classifier, caplog: pytest.LogCaptureFixture
) -> None:
    scorer = Scorer(classifier, FailingEngine(calls=range(1), rows=(1,)))
    scores = scorer.score(pixels, tracked, qualities(1, 1, 1), rows=[0, 1, 2])
    np.testing.assert_array_equal(scores.track_ids, [4, 9])
    assert np.isfinite(scores.log_odds).all()
    assert scores.rejected == {7: (Reason.ENGINE_DEGRADED,)}
    assert "not a finite number" in caplog.text


@pytest.mark.parametrize("rows", [(), (0,)])
def test_an_engine_that_keeps_failing_raises_an_error(
    pixels: Pixels, tracked: TrackedFaces, classifier: Classifier, rows: tuple[int, ...]
) -> None:
    scorer = Scorer(classifier, FailingEngine(calls=range(100), rows=rows))
    for _ in range(TOLERATED_FAILURES):
        scorer.score(pixels, tracked, qualities(1, 1, 1), rows=[0])
    with pytest.raises(EngineError, match=f"mean-fp32 failed {TOLERATED_FAILURES + 1} times in a row"):
        scorer.score(pixels, tracked, qualities(1, 1, 1), rows=[0])


@pytest.mark.parametrize("rows", [(), range(60)], ids=["raises", "no number"])
def test_a_failed_call_shared_by_streams_counts_once(
    pixels: Pixels, tracked: TrackedFaces, classifier: Classifier, rows: tuple[int, ...]
) -> None:
    streams = 2 * TOLERATED_FAILURES
    broken = FailingEngine(calls=range(1000), rows=rows)
    scorer, batches = Scorer(classifier, broken), DynamicBatcher(wait=10, largest=3 * streams)

    def rejected(_: int) -> int:
        found = scorer.score(pixels, tracked, qualities(1, 1, 1), rows=(0, 1, 2), engine=batches.of(broken))
        return len(found.rejected)

    with ThreadPoolExecutor(streams) as pool:
        assert list(pool.map(rejected, range(streams))) == [3] * streams
    assert len(broken.batches) == 1


def test_parallel_failed_calls_count_once_each(pixels: Pixels, tracked: TrackedFaces, classifier: Classifier) -> None:
    scorer = Scorer(classifier, MeanEngine())
    first, second = EngineError("out of memory"), EngineError("out of memory")

    class Fails(MeanEngine):
        def __init__(self, cause: EngineError) -> None:
            super().__init__()
            self.cause = cause

        def run(self, batch: Pixels) -> tuple[Floats, ...]:
            raise EngineError("out of memory") from self.cause

    for _ in range(2 * TOLERATED_FAILURES):  # the streams of two calls, alternating
        for cause in (first, second):
            found = scorer.score(pixels, tracked, qualities(1, 1, 1), rows=(0,), engine=Fails(cause))
            assert list(found.rejected.values()) == [(Reason.ENGINE_DEGRADED,)]


def test_a_success_resets_the_count(pixels: Pixels, tracked: TrackedFaces, classifier: Classifier) -> None:
    engine = FailingEngine(calls=range(TOLERATED_FAILURES))
    scorer = Scorer(classifier, engine)
    for _ in range(TOLERATED_FAILURES + 1):
        scores = scorer.score(pixels, tracked, qualities(1, 1, 1), rows=[0])
    assert len(scores) == 1
    engine.calls = range(TOLERATED_FAILURES + 1, 2 * TOLERATED_FAILURES + 1)
    for _ in range(TOLERATED_FAILURES):
        assert len(scorer.score(pixels, tracked, qualities(1, 1, 1), rows=[0])) == 0
