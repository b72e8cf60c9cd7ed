"""Faces in profile, in the dark and mirrored, through the whole pipeline: what cannot be judged is not accused."""

from collections.abc import Callable
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from monitor.analysis.pipeline import Engines, Pipeline
from monitor.media.sources.demo_portrait import FACE, genuine
from monitor.settings import Settings
from monitor.types import Frame, Label, Observation, Pixels, Reason

SECONDS, FPS = 4, 10


def turned(pixels: Pixels, *, degrees: float) -> Pixels:
    """The portrait with its head as a cylinder, turned to the side."""
    x1, y1, x2, y2 = FACE
    middle, radius = (x1 + x2) / 2, 0.62 * (x2 - x1)
    rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]].astype(np.float32)
    angle = np.arcsin(np.clip((columns - middle) / radius, -1, 1)) - np.radians(degrees)
    source = np.where(np.abs(columns - middle) < radius, middle + radius * np.sin(angle), columns)
    source = np.where(np.abs(angle) < np.pi / 2, source, columns)
    inside = (rows > y1 - 30) & (rows < y2 + 10)
    return cv2.remap(pixels, np.where(inside, source, columns).astype(np.float32), rows, cv2.INTER_LINEAR)


def darkened(pixels: Pixels) -> Pixels:
    noise = np.random.default_rng(1).normal(0, 4, pixels.shape)
    return np.clip(0.2 * pixels + noise, 0, 255).astype(np.uint8)


def observe(pixels: Pixels, engines: Engines, settings: Settings) -> list[Observation]:
    pipeline, now = Pipeline(engines, settings), datetime.now(UTC)
    return [
        pipeline.step(
            Frame(pixels=pixels.copy(), index=index, media_time=index / FPS, captured_at=now, source="portrait")
        )
        for index in range(SECONDS * FPS)
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [(lambda pixels: turned(pixels, degrees=40), Reason.PROFILE_POSE), (darkened, Reason.TOO_DARK)],
    ids=["turned away", "dark"],
)
def test_a_face_beyond_the_limits_of_yaw_or_light_is_not_judged_and_the_reason_is_given(
    engines: Engines, settings: Settings, change: Callable[[Pixels], Pixels], reason: Reason
) -> None:
    stricter = settings.quality.model_copy(update={"max_yaw": 20.0})  # the cylinder turns by less than a head
    seen = observe(change(genuine()), engines, settings.model_copy(update={"quality": stricter}))
    verdicts = [verdict for one in seen for verdict in one.verdicts]
    assert verdicts, "the face is found"
    assert {verdict.label for verdict in verdicts} == {Label.NOT_ENOUGH_EVIDENCE}
    assert reason in verdicts[-1].reasons
    assert verdicts[-1].samples == 0


def test_a_mirrored_face_has_the_label_of_the_face_itself(engines: Engines, settings: Settings) -> None:
    labels = [
        observe(np.ascontiguousarray(pixels), engines, settings)[-1].verdicts[0].label
        for pixels in (genuine(), genuine()[:, ::-1])
    ]
    assert labels[0] is labels[1]
