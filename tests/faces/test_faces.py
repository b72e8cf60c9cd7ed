"""A face detector needs one module and one registration."""

import numpy as np
import pytest
from support.footage import posed

import monitor.faces
from monitor.analysis.pipeline import Engines, Pipeline
from monitor.errors import UsageError
from monitor.faces import load_face_detector, register
from monitor.media.sources import open_source
from monitor.settings import FaceDetectorSettings, Settings


@pytest.fixture
def template(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(monitor.faces, "_MODULES", dict(monitor.faces._MODULES))
    register("template", module="support.template_faces")
    return "template"


def test_a_registered_face_detector_is_selected_by_the_setting(template: str, settings: Settings) -> None:
    chosen = settings.model_copy(update={"detector": settings.detector.model_copy(update={"model": template})})
    pipeline = Pipeline(Engines.load(chosen), chosen)
    with open_source("demo:", settings.source) as source:
        seen = [pipeline.step(frame) for _, frame in zip(range(16), source, strict=False)]
    assert {track for one in seen for track in one.tracked.track_ids.tolist()} == {1}
    assert sum(len(one.scores) for one in seen) >= 2


def test_detectors_agree_on_the_position_of_a_face(template: str, settings: Settings) -> None:
    pixels = posed((320, 240, 111))
    engines = Engines.load(settings)
    theirs = load_face_detector(FaceDetectorSettings(model=template), compile_network=lambda _: engines.scorer.engine)
    (found,), (expected,) = theirs.detect(pixels).boxes, engines.faces.detect(pixels).boxes
    centres = [(box[:2] + box[2:]) / 2 for box in (found, expected)]
    assert np.abs(centres[0] - centres[1]).max() < 25


def test_an_unknown_face_detector_is_named() -> None:
    with pytest.raises(UsageError, match="unknown face detector 'eyes': this program knows mtcnn"):
        load_face_detector(FaceDetectorSettings(model="eyes"), compile_network=lambda _: None)  # type: ignore[arg-type, return-value]
