"""Fits a calibration on labelled scores, measures its effect, and writes it to a model card.

The fit is Platt's (``monitor.lab.evaluation.platt``) on single scores of prepared crops or of flagged faces. Its
effect is measured out of fold: each group is calibrated by a fit without that group.
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.analysis import quality
from monitor.analysis.pipeline import Engines
from monitor.analysis.tracks import overlaps
from monitor.classifiers.model_card import read_card
from monitor.errors import DatasetError, ModelCardError, OutputError, UsageError
from monitor.lab.datasets.faceset import FaceSet
from monitor.lab.datasets.feedback import open_feedback
from monitor.lab.evaluation import metrics
from monitor.lab.evaluation.bootstrap import Estimate, estimate
from monitor.lab.evaluation.crops import crop_outcomes
from monitor.lab.evaluation.outcomes import numbered
from monitor.lab.evaluation.platt import fit_platt
from monitor.media.sources import open_source
from monitor.settings import Settings
from monitor.types import Calibration, Pixels, TrackedFaces

Scored = tuple[float | None, int, str]  # logit (None: no usable face), label, group

MEASURES: Final = ("ece", "brier", "nll", "accuracy")
_FOLDS, _LEAST_GROUPS = 5, 10
_FRAMES = 5  # scored frames of a flagged clip


@dataclass(frozen=True, slots=True, eq=False)
class LabelledScores:
    """Single scores with their labels."""

    logits: NDArray[np.float64]  # (N,)
    labels: NDArray[np.int64]  # (N,) 1 fake, 0 real
    groups: NDArray[np.int64]  # (N,)
    material: str
    left_out: int  # without a usable face
    failures: tuple[str, ...] = ()  # reasons of unreadable crops, not among the N


def of_crops(
    faces: FaceSet, *, engines: Engines, settings: Settings, on_done: Callable[[int], None] = lambda _: None
) -> LabelledScores:
    """The scores of prepared crops.

    Args:
        faces: the crops, of a split without reported figures.
        engines: of the classifier.
        settings: the verdict's thresholds.
        on_done: called with the number of crops just finished.

    Raises:
        DatasetError: there is only one class, or the crops are too narrow for these weights.
        EngineError: the engine failed.
    """
    outcomes = crop_outcomes(faces, engines=engines, settings=settings.verdict, on_done=on_done)
    splits = "+".join(sorted({row.split or "none" for row in faces.rows}))
    rows = [(outcome.logit, outcome.label, outcome.group) for outcome in outcomes if not outcome.failed]
    failures = tuple(outcome.failure for outcome in outcomes if outcome.failed)
    return _sample(rows, material=f"{faces.folder.resolve().name}, split {splits}", failures=failures)


def of_feedback(root: Path, *, engines: Engines, settings: Settings) -> LabelledScores:
    """The scores of the faces that people flagged real or fake.

    A face's score is the mean logit over the picture, or over frames spread across the flagged span of the clip.

    Args:
        root: a feedback folder, see ``monitor.lab.datasets.feedback``.
        engines: of the pipeline.
        settings: of sources and of the quality gate.

    Raises:
        DatasetError: the folder is malformed, or there is only one class.
        SourceError: a flagged file cannot be read.
        EngineError: the engine failed.
    """
    feedback = open_feedback(root)
    groups = {record.path: record.group for record in feedback.records}
    rows: list[Scored] = []
    for row in feedback.rows:
        path = root / row.path
        start, end = (0.0, np.inf) if row.start is None or row.end is None else (row.start, row.end)
        logits = [
            logit
            for pixels in _frames(path, start=start, end=end, settings=settings)
            if (logit := _logit(pixels, row.box, engines=engines, settings=settings)) is not None
        ]
        rows.append((float(np.mean(logits)) if logits else None, int(row.label == "fake"), groups[path]))
    return _sample(rows, material=f"{root.resolve().name}: {feedback.in_words}")


def out_of_fold(sample: LabelledScores) -> NDArray[np.float64]:
    """Calibrated log-odds (N,), each from a fit without its group: five folds, or leave-one-out for few groups.

    Raises:
        DatasetError: one class is missing after a fold was left out.
    """
    names = np.unique(sample.groups)
    folds = _FOLDS if len(names) >= _LEAST_GROUPS else len(names)
    fold = (np.random.default_rng(0).permutation(len(names)) % folds)[sample.groups]
    answer = np.empty_like(sample.logits)
    for number in range(folds):
        held = fold == number
        try:
            scale, shift = fit_platt(sample.logits[~held], sample.labels[~held])
        except DatasetError as error:
            raise DatasetError(
                f"{sample.material}: its groups are too few to judge a fit ({error}); bring more material"
            ) from None
        answer[held] = scale * sample.logits[held] + shift
    return answer


def measured(log_odds: NDArray[np.float64], sample: LabelledScores, *, at: float) -> dict[str, Estimate]:
    """ECE, Brier, negative log-likelihood and accuracy at a threshold, with 95 % intervals over groups."""
    probabilities = 0.5 + 0.5 * np.tanh(log_odds / 2)
    losses = np.logaddexp(0, log_odds) - sample.labels * log_odds

    def statistics(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        total = weights.sum(axis=1)
        right = metrics.decisions(sample.labels, probabilities >= at, weights=weights)["accuracy"]
        found = metrics.calibration(sample.labels, probabilities, weights)
        return {**found, "nll": (weights @ losses) / total, "accuracy": right}

    return estimate(statistics, labels=sample.labels, groups=sample.groups)


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationFit:
    """A calibration, its effect and its data."""

    calibration: Calibration
    input_size: int  # pixels
    figures: Mapping[str, Mapping[str, Estimate]]  # "before" and "after" -> ``MEASURES``
    sample: LabelledScores


def publish(weights: Path, fit: CalibrationFit, *, folder: Path | None) -> Path:
    """Write the new card, validated, beside a copy of the weights or in place of the old one.

    A calibration for another input size than the card's is written as one of its profiles.

    Args:
        weights: file beside the card.
        fit: the calibration.
        folder: for the copy; None: in place.

    Returns:
        Path of the new card.

    Raises:
        UsageError: there is a file of that name already.
        ModelCardError: the new card is invalid.
        OutputError: it cannot be written.
    """
    facts = _new_card(weights, fit)
    target = weights if folder is None else folder / weights.name
    path = target.with_suffix(".json")
    partial = path.with_name(f".{path.name}.partial")
    try:
        if folder is not None:
            if path.exists() or target.exists():
                raise UsageError(f"{target} or its card is there already: choose another folder")
            facts["id"] += "-calibrated"
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(weights, target)
        partial.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        read_card(partial, weights=target)
        partial.replace(path)
    except (OSError, ModelCardError) as error:
        with contextlib.suppress(OSError):  # the file may be missing
            partial.unlink(missing_ok=True)
            if folder is not None:
                target.unlink(missing_ok=True)
        if isinstance(error, ModelCardError):
            raise
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def _sample(rows: list[Scored], *, material: str, failures: tuple[str, ...] = ()) -> LabelledScores:
    usable = [(logit, label, group) for logit, label, group in rows if logit is not None and np.isfinite(logit)]
    labels = [label for _, label, _ in usable]
    if sum(labels) in (0, len(labels)):
        raise DatasetError(
            f"{material}: {sum(labels)} fake and {len(labels) - sum(labels)} real usable faces, calibration needs both"
        )
    return LabelledScores(
        logits=np.array([logit for logit, _, _ in usable], np.float64),
        labels=np.array(labels, np.int64),
        groups=numbered([group for _, _, group in usable]),
        material=material,
        left_out=len(rows) - len(usable),
        failures=failures,
    )


def _frames(path: Path, *, start: float, end: float, settings: Settings) -> list[Pixels]:
    """Up to ``_FRAMES`` frames, evenly spaced between two media times."""
    with open_source(path, settings.source) as source:
        last = min(end, source.info.duration or end)
        times = np.linspace(start, last, _FRAMES, endpoint=False) if np.isfinite(last) else np.array([start])
        wanted, found = times.tolist(), []
        for frame in source:
            if frame.media_time >= end or not wanted:
                break
            if frame.media_time >= wanted[0]:
                found.append(frame.pixels)
                wanted = [moment for moment in wanted if moment > frame.media_time]
    return found


def _logit(
    pixels: Pixels, box: tuple[float, float, float, float] | None, *, engines: Engines, settings: Settings
) -> float | None:
    """Logit of the face with the largest overlap with the flagged box, or of the largest face without a box.

    None if no usable face is found.
    """
    faces = engines.faces.detect(pixels)
    if not len(faces):
        return None
    if box is None:
        row = int(np.argmax((faces.boxes[:, 2:] - faces.boxes[:, :2]).prod(axis=1)))
    else:
        shared = overlaps(np.array([box], np.float32), faces.boxes)[0]
        row = int(shared.argmax())
        if shared[row] <= 0:
            return None
    face = faces[[row]]
    tracked = TrackedFaces(faces=face, track_ids=np.ones(1, np.int64))
    scores = engines.scorer.score(pixels, tracked, quality.measure(pixels, face, settings.quality), rows=[0])
    return float(scores.parts[0].logits[0]) if len(scores) else None


def _new_card(weights: Path, fit: CalibrationFit) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(weights.with_suffix(".json").read_bytes())
    place = facts
    if fit.input_size != facts["input"]["size"]:
        profiles = {profile["size"]: profile for profile in facts.get("profiles", ())}
        place = profiles.setdefault(fit.input_size, {"size": fit.input_size})
        facts["profiles"] = [profiles[size] for size in sorted(profiles)]
    for stale in ("curves", "preset_clips"):  # these belong to the old calibration; ``lab card`` renews them
        place.pop(stale, None)
    place["calibration"] = {
        "kind": "platt",
        "scale": fit.calibration.scale,
        "shift": fit.calibration.shift,
        "fitted_on": f"{fit.sample.material}, {len(fit.sample.labels)} faces" + _without(fit.sample),
    }
    measured = {when: {name: _triple(values[name]) for name in MEASURES} for when, values in fit.figures.items()}
    place["metrics"] = {**place.get("metrics", {}), "calibration": measured}
    return facts


def _without(sample: LabelledScores) -> str:
    parts = [f"{sample.left_out} without a usable face"] if sample.left_out else []
    parts += [f"{len(sample.failures)} unreadable"] if sample.failures else []
    return f" ({', '.join(parts)} left out)" if parts else ""


def _triple(one: Estimate) -> dict[str, float | None]:
    values = {"value": one.value, "low": one.low, "high": one.high}
    return {name: None if value is None else round(value, 5) for name, value in values.items()}
