"""The loops that the benchmark compares, each a call ``frame -> boxes (N, 4)``.

``naive`` is a straightforward application: facenet-pytorch's MTCNN on every frame and an eager
InceptionResnetV1 on every face. ``ours`` is the shipped pipeline with the classifier of the settings. ``equal_work``
uses our stages, but also detects and classifies with InceptionResnetV1 in every frame: its speed-up is due to the
implementation, the rest to skipped work and to a smaller classifier.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from monitor.analysis import quality
from monitor.analysis.pipeline import Engines, Pipeline
from monitor.settings import Settings
from monitor.types import Floats, Frame, TrackedFaces

INPUT_SIZE = 160  # of both classifiers, whatever the shipped card says


Loop = Callable[["Frame"], "Floats"]  # other results are discarded


def naive(settings: Settings) -> Loop:
    """facenet-pytorch's MTCNN on every frame, an eager classifier on every face."""
    from monitor.lab.bench.naive import naive_loop  # loads torch, which must not count for ours

    return naive_loop(settings, input_size=INPUT_SIZE)


def ours(settings: Settings) -> Loop:
    """The shipped pipeline, its classifier at the naive loop's input size."""
    pipeline = Pipeline(Engines.load(settings, input_size=INPUT_SIZE), settings)
    return lambda frame: pipeline.step(frame).tracked.faces.boxes


def with_inception_resnet(settings: Settings) -> Settings:
    """The settings with the classifier of the naive loop."""
    changes = {"model": "inception_resnet_v1", "weights": None}
    return settings.model_copy(update={"classifier": settings.classifier.model_copy(update=changes)})


def equal_work(settings: Settings) -> Loop:
    """Our stages on every frame, and InceptionResnetV1 on every face."""
    engines = Engines.load(with_inception_resnet(settings), input_size=INPUT_SIZE)

    def loop(frame: Frame) -> Floats:
        faces = engines.faces.detect(frame.pixels)
        tracked = TrackedFaces(faces=faces, track_ids=np.arange(1, len(faces) + 1))
        measured = quality.measure(frame.pixels, faces, settings.quality)
        qualities = replace(measured, weights=np.ones(len(faces), np.float32))  # poor faces are classified, too
        engines.scorer.score(frame.pixels, tracked, qualities, rows=range(len(faces)))
        return faces.boxes

    return loop


LOOPS = {"naive": naive, "ours": ours, "equal_work": equal_work}
