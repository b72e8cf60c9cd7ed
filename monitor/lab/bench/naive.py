"""The naive loop, with facenet-pytorch alone."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch

from monitor.inference.facenet import facenet_pytorch
from monitor.types import Floats, Frame

if TYPE_CHECKING:
    from monitor.settings import FaceDetectorSettings, Settings


def reference_mtcnn(settings: FaceDetectorSettings) -> Any:  # noqa: ANN401 - an untyped library's class
    """facenet-pytorch's ``MTCNN`` with our settings, keeping all faces.

    If torchvision lacks its compiled operators (see ``monitor.inference.facenet``), OpenCV's non-maximum
    suppression replaces torchvision's; it is compiled, too.
    """
    mtcnn = facenet_pytorch().MTCNN(
        keep_all=True,
        min_face_size=settings.min_face_size,
        thresholds=list(settings.thresholds),
        factor=settings.factor,
    )
    try:
        importlib.import_module("torchvision.ops").nms(torch.zeros((1, 4)), torch.zeros(1), 0.5)
    except RuntimeError:
        vars(importlib.import_module("facenet_pytorch.models.utils.detect_face"))["batched_nms"] = _batched_nms
    return mtcnn


def _batched_nms(boxes: torch.Tensor, scores: torch.Tensor, _images: torch.Tensor, limit: float) -> torch.Tensor:
    """``torchvision.ops.batched_nms`` for a batch of one image: rows to keep, best first."""
    corners = boxes.double().numpy()
    rectangles = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)
    kept = cv2.dnn.NMSBoxes(rectangles.tolist(), scores.tolist(), 0.0, limit)
    return torch.as_tensor(np.asarray(kept, np.int64))


def naive_loop(settings: Settings, *, input_size: int) -> Callable[[Frame], Floats]:
    """``frame -> boxes (N, 4)``; the classifier is untrained, as only its time matters."""
    torch.set_num_threads(settings.classifier.threads)
    mtcnn = reference_mtcnn(settings.detector)
    classifier = facenet_pytorch().InceptionResnetV1(classify=True, num_classes=1).eval()

    def loop(frame: Frame) -> Floats:
        found, _ = mtcnn.detect(frame.pixels)
        boxes = np.zeros((0, 4), np.float32) if found is None else np.asarray(found, np.float32)
        crops = [_crop(frame, box, input_size) for box in boxes]
        if crops:
            with torch.inference_mode():
                classifier(torch.from_numpy(np.stack(crops)))
        return boxes

    return loop


def _crop(frame: Frame, box: Floats, size: int) -> Floats:
    x1, y1 = np.maximum(box[:2], 0).astype(int)
    x2, y2 = np.maximum(box[2:].astype(int), (x1 + 1, y1 + 1))
    face = cv2.resize(frame.pixels[y1:y2, x1:x2], (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray((face.astype(np.float32) - 127.5) / 128.0).transpose(2, 0, 1)
