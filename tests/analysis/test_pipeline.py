"""The pipeline on real pixels and real networks; some tests replace the classifier's logits."""

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from support.observations import frame as made
from support.observations import source_info

from monitor.analysis.pipeline import Engines, Pipeline, _concurrency
from monitor.analysis.scores import Scorer
from monitor.analysis.verdicts import source_verdict
from monitor.classifiers.model_card import PlattCalibration
from monitor.inference.backends import all_backends
from monitor.media.sources import demo_spans, open_source
from monitor.results.key_frames import KeyFrameRecorder
from monitor.settings import Settings, SourceSettings
from monitor.types import Floats, Frame, HintKind, Label, Observation, Pixels, Reason, SourceVerdict

SECONDS = 9.0


@pytest.fixture(scope="module")
def demo() -> list[Frame]:
    """A short demo: three seconds genuine, three blended, three genuine."""
    with open_source("demo:", SourceSettings(demo_seconds=SECONDS)) as source:
        return list(source)


class Opinion:
    """A classifier with a given logit for the current frame."""

    name = "scripted"

    def __init__(self, logit: Callable[[float], float]) -> None:
        self._logit = logit
        self.now = 0.0
        self.calls = 0

    def run(self, batch: Pixels) -> tuple[Floats, ...]:
        self.calls += len(batch)
        logits = np.full(len(batch), self._logit(self.now), np.float32)
        return logits, np.broadcast_to(logits[:, None, None], (len(batch), 2, 2)).copy()


def analyse(
    frames: Iterable[Frame], engines: Engines, settings: Settings, *, opinion: Opinion | None = None
) -> tuple[list[Observation], SourceVerdict, list[Any]]:
    if opinion is not None:
        engines = replace(engines, scorers=(Scorer(engines.classifier, opinion),))
    pipeline = Pipeline(engines, settings)
    observations = []
    for frame in frames:
        if opinion is not None:
            opinion.now = frame.media_time
        observations.append(pipeline.step(frame))
    open_segments, alive = pipeline.finish()
    ended = [summary for observation in observations for summary in observation.ended_tracks]
    closed = [segment for observation in observations for segment in observation.closed_segments]
    return observations, source_verdict([*ended, *alive]), [*closed, *open_segments]


def same(left: Any, right: Any) -> bool:
    """Exact equality, including arrays."""
    if isinstance(left, np.ndarray):
        return bool(np.array_equal(left, right))
    if is_dataclass(left):
        return all(same(getattr(left, field.name), getattr(right, field.name)) for field in fields(left))
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def blended(time: float) -> float:
    """The logits of a perfect classifier for the demo's speaker."""
    return 4.0 if any(span.start <= time < span.end for span in demo_spans(SECONDS)) else -4.0


def labels(observations: list[Observation]) -> list[tuple[int, Label]]:
    return [(change.track_id, change.after) for o in observations for change in o.changes]


def test_the_same_frames_give_the_same_observations(demo: list[Frame], engines: Engines, settings: Settings) -> None:
    first, *_ = analyse(demo[:75], engines, settings)
    second, *_ = analyse(demo[:75], engines, settings)
    assert same(first, second)
    assert any(len(observation.scores) for observation in first)


def test_half_the_frame_rate_gives_the_same_labels(demo: list[Frame], engines: Engines, settings: Settings) -> None:
    alone = settings.model_copy(update={"tracker": settings.tracker.model_copy(update={"min_hits": 1})})
    whole, verdict, _ = analyse(demo, engines, alone, opinion=Opinion(blended))
    half, half_verdict, _ = analyse(demo[::2], engines, alone, opinion=Opinion(blended))
    assert labels(half) == labels(whole)
    assert half_verdict.label is verdict.label is Label.LIKELY_FAKE


def test_a_switch_is_reported_within_a_second_and_a_half(
    demo: list[Frame], engines: Engines, settings: Settings
) -> None:
    (span,) = demo_spans(SECONDS)
    observations, verdict, segments = analyse(demo, engines, settings, opinion=Opinion(blended))
    speaker = min(change.track_id for o in observations for change in o.changes)
    alarms = [c for o in observations for c in o.changes if c.track_id == speaker and c.after.suspects]
    assert span.start < alarms[0].media_time <= span.start + 1.5
    assert alarms[0].witnesses
    assert verdict.track_id == speaker
    spans = [(segment.start, segment.end) for segment in segments if segment.track_id == speaker]
    assert len(spans) == 1
    start, end = spans[0]
    overlap = min(end, span.end) - max(start, span.start)
    assert overlap / (max(end, span.end) - min(start, span.start)) >= 0.7


def test_a_genuine_stream_is_never_suspected(demo: list[Frame], engines: Engines, settings: Settings) -> None:
    observations, verdict, segments = analyse(demo, engines, settings, opinion=Opinion(lambda _: -3.0))
    assert {label for _, label in labels(observations)} == {Label.LIKELY_REAL}
    assert verdict.label is Label.LIKELY_REAL
    assert segments == []


def test_rows_of_one_frame_agree(demo: list[Frame], engines: Engines, settings: Settings) -> None:
    observations, *_ = analyse(demo[:100], engines, settings)
    for observation in observations:
        ids = observation.tracked.track_ids.tolist()
        assert [verdict.track_id for verdict in observation.verdicts] == ids
        assert len(observation.qualities) in (0, len(ids))
        assert len(observation.qualities) or not len(observation.scores)
        assert set(observation.scores.track_ids.tolist()) <= set(ids)
    assert observations[0].detected, "the first frame is searched"
    assert not all(observation.detected for observation in observations), "the detector rests between its beats"


def test_no_face_is_not_enough_evidence(engines: Engines, settings: Settings, demo: list[Frame]) -> None:
    empty = [replace(frame, pixels=np.full((240, 320, 3), 90, np.uint8)) for frame in demo[:30]]
    observations, verdict, _ = analyse(empty, engines, settings)
    assert all(len(observation.tracked) == 0 for observation in observations)
    assert verdict.label is Label.NOT_ENOUGH_EVIDENCE
    assert verdict.reasons == (Reason.NO_FACE,)


def test_a_still_picture_is_judged_on_its_only_sample(demo: list[Frame], engines: Engines, settings: Settings) -> None:
    opinion = Opinion(lambda _: 4.0)
    scorer = Scorer(engines.classifier, opinion)
    pipeline = Pipeline(replace(engines, scorers=(scorer,)), settings, still=True)
    observation = pipeline.step(demo[0])
    assert opinion.calls == 1
    assert [verdict.label for verdict in observation.verdicts] == [Label.LIKELY_FAKE]
    assert Reason.SINGLE_IMAGE in observation.verdicts[0].reasons


def test_dark_faces_are_rejected_with_a_reason(demo: list[Frame], engines: Engines, settings: Settings) -> None:
    strict = settings.model_copy(update={"quality": settings.quality.model_copy(update={"min_size": 1000.0})})
    observations, verdict, _ = analyse(demo[:50], engines, strict)
    assert not any(len(observation.scores) for observation in observations)
    assert verdict.label is Label.NOT_ENOUGH_EVIDENCE
    assert Reason.TOO_SMALL in verdict.reasons


@pytest.mark.parametrize(("min_score_interval", "expected"), [(0.0, 5), (0.5, 2)])
def test_a_busy_machine_detects_faces_less_often(
    engines: Engines, settings: Settings, min_score_interval: float, expected: int
) -> None:
    pipeline = Pipeline(engines, settings)
    frames = [made(np.zeros((90, 160, 3), np.uint8), index=index, media_time=index / 25) for index in range(25)]
    assert sum(pipeline.step(one, min_score_interval=min_score_interval).detected for one in frames) == expected


def test_hints_on_the_stream_change_no_verdict(demo: list[Frame], engines: Engines, settings: Settings) -> None:
    """The same frames from a file, and from a virtual camera with a frozen picture and timestamps that run back."""
    shown = [replace(frame, pixels=demo[min(frame.index, 40)].pixels) for frame in demo[:125]]
    info = source_info(kind="webcam", live=True, device="OBS Virtual Camera")
    alone, hinted = Pipeline(engines, settings), Pipeline(engines, settings, info=info)
    plain = [alone.step(frame, disordered=frame.index // 50) for frame in shown]
    observed = [hinted.step(frame, disordered=frame.index // 50) for frame in shown]
    kinds = {hint.kind for observation in observed for hint in observation.hint_changes}
    assert {HintKind.VIRTUAL_CAMERA, HintKind.DUPLICATED_PTS, HintKind.FROZEN} <= kinds
    assert any(observation.changes for observation in plain)
    without = [replace(observation, hints=(), hint_changes=()) for observation in observed]
    assert same(without, [replace(observation, hints=(), hint_changes=()) for observation in plain])


def test_batches_run_in_parallel_on_a_cpu_unless_the_engine_is_serial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert {backend.name: _concurrency(backend, 2) for backend in all_backends()} == {
        "onnxruntime": 4,
        "onnxruntime-int8": 4,
        "torch": 4,
        "openvino": 1,
        "onnxruntime-cuda": 1,
        "cuda": 1,
        "tensorrt": 1,
    }
    assert _concurrency(all_backends()[0], 16) == 1


def test_evidence_and_key_frames_are_calibrated_at_another_input_size(
    demo: list[Frame], engines: Engines, settings: Settings
) -> None:
    """A logit above 0 with a calibrated probability below one half never supports manipulation."""
    card = engines.classifier.card.model_copy(update={"calibration": PlattCalibration(1.0, -3.0)})
    classifier = replace(engines.classifier, card=card, input_size=224)
    engines = replace(engines, scorers=(Scorer(classifier, Opinion(lambda _: 2.0)),))
    pipeline, recorder = Pipeline(engines, settings), KeyFrameRecorder()
    for frame in demo[:20]:
        recorder(frame, pipeline.step(frame))
    assert len(recorder.found) == 1
    assert recorder.found[0].strength < 0
