"""Pictures and clips with faces for the tests of the stages: the portrait on a canvas, decoded files."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np

import monitor
from monitor.faces.mtcnn.cascade import MtcnnEngines
from monitor.faces.mtcnn.networks import mtcnn_networks
from monitor.inference.onnx_runtime import OnnxRuntimeBackend
from monitor.types import Floats, Pixels

FACE = (180, 61, 268, 172)  # x1 y1 x2 y2 of the face in the portrait, pixels


def mtcnn(cache_dir: Path) -> MtcnnEngines:
    """The face detector's networks on the default engine."""
    return MtcnnEngines(
        *(OnnxRuntimeBackend().compile(network, threads=1, cache_dir=cache_dir) for network in mtcnn_networks())
    )


@cache
def portrait() -> Pixels:
    """The public-domain portrait of the package, (512, 512, 3) RGB."""
    stored = cv2.imread(str(Path(monitor.__file__).parent / "assets" / "astronaut.jpg"))
    assert stored is not None
    return np.asarray(cv2.cvtColor(stored, cv2.COLOR_BGR2RGB), np.uint8)


def posed(*faces: tuple[float, float, float], width: int = 640, height: int = 480) -> Pixels:
    """A grey gradient with the portrait's head on it, once per ``(centre x, centre y, face height)``."""
    ramp = np.linspace(60, 150, width, dtype=np.float32)[None, :, None]
    canvas = np.broadcast_to(ramp, (height, width, 3)).astype(np.uint8)
    x1, y1, x2, y2 = FACE
    mask = np.zeros((512, 512), np.float32)
    cv2.ellipse(mask, (225, 105), (100, 110), 0, 0, 360, 1.0, -1)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 6), np.float32)
    for x, y, size in faces:
        scale = size / (y2 - y1)
        move = np.array(((scale, 0, x - scale * (x1 + x2) / 2), (0, scale, y - scale * (y1 + y2) / 2)))
        head = cv2.warpAffine(portrait(), move, (width, height), flags=cv2.INTER_LINEAR)
        alpha = np.asarray(cv2.warpAffine(mask, move, (width, height)), np.float32)[..., None]
        canvas = (head * alpha + canvas * (1 - alpha)).round().astype(np.uint8)
    return canvas


def decoded(path: Path, *, every: int = 1, stop: int | None = None) -> Iterator[tuple[float, Pixels]]:
    """Media time and RGB pixels of every ``every``-th of the first ``stop`` frames."""
    with av.open(str(path)) as container:
        first: float | None = None
        for index, frame in enumerate(container.decode(video=0)):
            if stop is not None and index >= stop:
                return
            time = float(frame.time or 0.0)
            first = time if first is None else first
            if index % every == 0:
                yield time - first, np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def overlaps(some: Floats, others: Floats) -> Floats:
    """(N, M) intersection over union of boxes (N, 4) and (M, 4)."""
    spans = np.minimum(some[:, None, 2:], others[:, 2:]) - np.maximum(some[:, None, :2], others[:, :2])
    shared = np.maximum(spans, 0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (some, others)]
    return np.asarray(shared / (areas[0][:, None] + areas[1] - shared), np.float32)
