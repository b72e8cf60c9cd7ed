"""The cascade agrees with facenet-pytorch's own MTCNN, and refine() follows faces across the frame's border."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.footage import decoded, mtcnn, overlaps, portrait, posed

from monitor.errors import EngineError
from monitor.faces.mtcnn.cascade import MtcnnDetector, MtcnnEngines, _suppress
from monitor.inference.facenet import facenet_pytorch
from monitor.settings import FaceDetectorSettings, Settings
from monitor.types import Faces, Floats, Pixels

Reference = Callable[[Pixels, FaceDetectorSettings], tuple[Floats, Floats, Floats]]


@pytest.fixture(scope="module")
def engines(settings: Settings) -> MtcnnEngines:
    assert settings.cache_dir is not None
    return mtcnn(settings.cache_dir)


@pytest.fixture
def detector(engines: MtcnnEngines) -> MtcnnDetector:
    return MtcnnDetector(engines, FaceDetectorSettings())


@pytest.fixture(scope="session")
def reference() -> Iterator[Reference]:
    """facenet-pytorch's boxes (0-based and half-open like ours), probabilities and landmarks."""

    def detect(pixels: Pixels, settings: FaceDetectorSettings) -> tuple[Floats, Floats, Floats]:
        mtcnn = facenet_pytorch().MTCNN(
            min_face_size=settings.min_face_size, thresholds=list(settings.thresholds), factor=settings.factor
        )
        with torch.inference_mode():
            boxes, probabilities, landmarks = mtcnn.detect(pixels, landmarks=True)
        if boxes is None:
            return np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
        found = np.asarray(boxes, np.float32) - np.array((1, 1, 0, 0), np.float32)
        return found, np.asarray(probabilities, np.float32), np.asarray(landmarks, np.float32)

    facenet_pytorch()
    with (
        pytest.MonkeyPatch.context() as patch
    ):  # torchvision's own nms is not everywhere, see monitor.inference.facenet
        patch.setattr(sys.modules["facenet_pytorch.models.utils.detect_face"], "batched_nms", batched_nms)
        yield detect


def batched_nms(boxes: torch.Tensor, scores: torch.Tensor, _images: torch.Tensor, limit: float) -> torch.Tensor:
    return torch.from_numpy(greedy(boxes.numpy(), scores.numpy(), limit))


def greedy(boxes: Floats, scores: Floats, limit: float) -> np.ndarray[Any, np.dtype[np.int64]]:
    order, kept = np.argsort(-scores, kind="stable"), []
    while order.size:
        kept.append(order[0])
        order = order[1:][overlaps(boxes[order[:1]], boxes[order[1:]])[0] <= limit]
    return np.array(kept, np.int64)


def compare(found: Faces, expected: Floats) -> tuple[int, int]:
    """Number of expected faces found, one to one at IoU >= 0.7, and number of other faces."""
    matched = 0
    table = overlaps(expected, found.boxes)
    while table.size and table.max() >= 0.7:
        row, column = np.unravel_index(table.argmax(), table.shape)
        table[row], table[:, column] = -1, -1
        matched += 1
    return matched, len(found) - matched


GENERATED = [
    posed((320, 240, 120)),
    posed((160, 200, 45), (450, 260, 210)),
    posed((60, 100, 90), (620, 300, 140), (330, 470, 150)),  # two of them are cut by the frame
    posed((200, 240, 70), (260, 250, 80)),  # one half behind the other
    portrait(),
    np.ascontiguousarray(portrait()[:, ::-1] // 3),
    np.random.default_rng(5).integers(0, 256, (240, 320, 3), np.uint8),
]


@pytest.mark.parametrize("min_face_size", [20, 40, 60])
def test_generated_frames_agree_with_facenet_pytorch(
    engines: MtcnnEngines, reference: Reference, min_face_size: int
) -> None:
    settings = FaceDetectorSettings(min_face_size=min_face_size)
    total = 0
    for pixels in GENERATED:
        boxes, probabilities, landmarks = reference(pixels, settings)
        found = MtcnnDetector(engines, settings).detect(pixels)
        best = np.argsort(-probabilities, kind="stable")
        np.testing.assert_allclose(found.boxes, boxes[best], atol=0.1)
        np.testing.assert_allclose(found.landmarks, landmarks[best], atol=0.1)
        np.testing.assert_allclose(found.probabilities, probabilities[best], atol=1e-3)
        total += len(found)
    assert total >= 6


def test_real_frames_agree_with_facenet_pytorch(media: Path, engines: MtcnnEngines, reference: Reference) -> None:
    settings = FaceDetectorSettings(min_face_size=40)
    detector = MtcnnDetector(engines, settings)
    expected = matched = extra = 0
    for path in sorted(media.glob("*/*.mp*g*")) + sorted(media.glob("*/*.mp4")):
        for _, pixels in decoded(path, every=23, stop=70):
            boxes, _, _ = reference(pixels, settings)
            same, others = compare(detector.detect(pixels), boxes)
            expected, matched, extra = expected + len(boxes), matched + same, extra + others
    assert expected > 40
    assert matched >= 0.98 * expected
    assert extra <= 0.03 * expected


def test_faces_are_in_frame_coordinates_best_first(detector: MtcnnDetector) -> None:
    faces = detector.detect(posed((150, 240, 60), (440, 240, 180)))
    assert len(faces) == 2
    assert (np.diff(faces.probabilities) <= 0).all()
    assert {array.dtype for array in (faces.boxes, faces.probabilities, faces.landmarks)} == {np.dtype(np.float32)}
    for (x1, y1, x2, y2), (left_eye, right_eye, nose, left_mouth, right_mouth) in zip(
        faces.boxes, faces.landmarks, strict=True
    ):
        assert x1 < left_eye[0] < nose[0] < right_eye[0] < x2
        assert left_mouth[0] < nose[0] < right_mouth[0]
        assert y1 < left_eye[1] < nose[1] < left_mouth[1] < y2


def test_smaller_faces_are_ignored(engines: MtcnnEngines) -> None:
    pixels = posed((320, 240, 45))
    assert len(MtcnnDetector(engines, FaceDetectorSettings(min_face_size=20)).detect(pixels)) == 1
    assert len(MtcnnDetector(engines, FaceDetectorSettings(min_face_size=120)).detect(pixels)) == 0


def test_wide_frames_are_halved(engines: MtcnnEngines) -> None:
    pixels = posed((800, 500, 240), width=1280, height=960)
    total = MtcnnDetector(engines, FaceDetectorSettings(working_width=1280)).detect(pixels)
    halved = MtcnnDetector(engines, FaceDetectorSettings(working_width=1279)).detect(pixels)
    assert len(total) == len(halved) == 1
    assert 0.8 < overlaps(total.boxes, halved.boxes)[0, 0] < 1
    np.testing.assert_allclose(total.landmarks, halved.landmarks, atol=12)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (11, 11), (12, 12), (39, 50), (13, 4000)])
def test_frames_too_small_for_a_face_give_no_faces(detector: MtcnnDetector, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    pixels.flags.writeable = False
    assert len(detector.detect(pixels)) == 0
    assert detector.refine(pixels, np.array([(0, 0, 1, 1), (-9, -9, 60, 60)], np.float32)).probabilities.max() < 0.5


def test_an_empty_frame_gives_no_faces(detector: MtcnnDetector) -> None:
    assert len(detector.detect(np.zeros((360, 640, 3), np.uint8))) == 0
    assert len(detector.refine(portrait(), np.zeros((0, 4), np.float32))) == 0


def test_refine_follows_a_face_that_moved(detector: MtcnnDetector) -> None:
    before = detector.detect(posed((300, 240, 140))).boxes
    for dx, dy, size in ((14, 0, 140), (0, -14, 140), (-12, 12, 140), (0, 0, 125), (0, 0, 155)):
        pixels = posed((300 + dx, 240 + dy, size))
        followed = detector.refine(pixels, before)
        assert followed.probabilities[0] > 0.95
        assert overlaps(followed.boxes, detector.detect(pixels).boxes)[0, 0] > 0.75


def test_refine_keeps_rows_and_gives_the_background_a_low_probability(detector: MtcnnDetector) -> None:
    pixels = posed((150, 240, 90), (480, 240, 130))
    faces = detector.detect(pixels)
    away = np.array([(270, 20, 350, 120), (-900, -900, -800, -800), (5000, 0, 5100, 90), (50, 50, 50, 50)], np.float32)
    refined = detector.refine(pixels, np.concatenate((away[:2], faces.boxes, away[2:])))
    assert (refined.probabilities[[2, 3]] > 0.95).all()
    assert (refined.probabilities[[0, 1, 4, 5]] < 0.5).all()
    assert (np.diag(overlaps(refined.boxes[2:4], faces.boxes)) > 0.8).all()


@pytest.mark.parametrize("side", ["left", "top", "right", "bottom"])
def test_refine_follows_a_face_over_the_border(detector: MtcnnDetector, side: str) -> None:
    """With a quarter of the face cut off, its box keeps reaching outside in each frame."""
    pixels = posed((320, 240, 150))
    box = detector.detect(pixels).boxes[0]
    x, y = (box[:2] + (box[2:] - box[:2]) * (0.25 if side in ("left", "top") else 0.75)).round().astype(int)
    cut = {"left": pixels[:, x:], "top": pixels[y:], "right": pixels[:, :x], "bottom": pixels[:y]}[side]
    shift = {"left": (x, 0, x, 0), "top": (0, y, 0, y)}.get(side, (0, 0, 0, 0))
    truth = boxes = np.array([box - shift], np.float32)
    for _ in range(8):
        faces = detector.refine(cut, boxes)
        boxes = faces.boxes
    assert faces.probabilities[0] > 0.7
    assert overlaps(truth, boxes)[0, 0] > 0.6


def test_the_error_of_an_engine_passes_through(engines: MtcnnEngines) -> None:
    class Broken:
        name = "broken"

        def run(self, batch: Floats) -> tuple[Floats, ...]:
            raise EngineError(f"cannot run {batch.shape}")

    detector = MtcnnDetector(engines._replace(onet=Broken()), FaceDetectorSettings())
    with pytest.raises(EngineError, match=r"\(\d+, 3, 48, 48\)"):
        detector.detect(portrait())


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 400])
def test_suppression_is_greedy(count: int) -> None:
    rng = np.random.default_rng(count)
    corners, sizes = rng.uniform(0, 200, (count, 2)), rng.uniform(10, 90, (count, 2))
    boxes = np.concatenate((corners, corners + sizes), axis=1).astype(np.float32)
    scores = rng.uniform(0, 1, count).astype(np.float32).round(2)
    assert _suppress(boxes, scores, limit=0.4).tolist() == greedy(boxes, scores, 0.4).tolist()


def test_suppression_can_divide_by_the_smaller_box() -> None:
    boxes = np.array([(0, 0, 100, 100), (10, 10, 50, 50), (90, 90, 130, 130)], np.float32)
    scores = np.array([0.8, 0.9, 0.7], np.float32)
    assert _suppress(boxes, scores, limit=0.7).tolist() == [1, 0, 2]
    assert _suppress(boxes, scores, limit=0.7, of_smaller=True).tolist() == [1, 2]
