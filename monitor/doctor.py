"""Checks whether this machine is ready: one finding per question, with advice after a failure."""

import importlib.metadata
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from monitor import __version__
from monitor.analysis import quality
from monitor.analysis.pipeline import Engines
from monitor.errors import MonitorError
from monitor.inference import backends
from monitor.inference.cache import default_cache_dir
from monitor.media.c2pa_library import load_library
from monitor.media.sources import cameras, demo_faces
from monitor.media.sources.address import known_forms
from monitor.settings import Settings
from monitor.types import Pixels, TrackedFaces
from monitor.types.faces import sigmoid
from monitor.types.formatting import percent

_PACKAGES = ("torch", "facenet-pytorch", "opencv-python-headless", "av", "numpy", "onnxruntime", "openvino")


class Severity(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"  # works with restrictions
    FAILURE = "failure"  # does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """One question and its answer."""

    question: str
    health: Severity
    answer: str


def examine(settings: Settings, *, out: Path) -> Iterator[Finding]:
    """Yields the findings one by one; takes a few seconds, or longer if engines must be built first.

    Args:
        out: folder for results; checked for write access.
    """
    yield Finding("program", Severity.OK, f"deepfake-monitor {__version__}, Python {platform.python_version()}")
    yield _packages()
    yield from _engines(settings)
    yield Finding("sources", Severity.OK, known_forms())
    yield _cameras()
    yield _credentials()
    yield _check_writable("results", out)
    yield _check_writable("engine cache", default_cache_dir(settings.cache_dir))
    yield _self_test(settings)


def _packages() -> Finding:
    versions = []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{name} not installed")
    return Finding("packages", Severity.OK, ", ".join(versions) + f", on {platform.machine()} {sys.platform}")


def _engines(settings: Settings) -> Iterator[Finding]:
    try:
        choice = backends.choose(settings.classifier.backend)
    except MonitorError as error:
        yield Finding("engine", Severity.FAILURE, str(error))
        return
    yield Finding("engine", Severity.OK, f"{choice.backend.name}: {choice.reason}")
    for name, reason in choice.others.items():
        yield Finding(f"engine {name}", Severity.OK, f"not chosen: {reason}")


def _cameras() -> Finding:
    names = cameras()
    if names:
        return Finding("cameras", Severity.OK, ", ".join(names))
    return Finding("cameras", Severity.WARNING, "none found; all other kinds of sources work")


def _credentials() -> Finding:
    try:
        return Finding("content credentials", Severity.OK, f"can be read, c2pa-rs {load_library().sdk_version()}")
    except ImportError as error:
        why = f"cannot be read here: {error}; everything else works"
        return Finding("content credentials", Severity.WARNING, why)


def _check_writable(question: str, folder: Path) -> Finding:
    existing = next(path for path in (folder, *folder.resolve().parents) if path.is_dir())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return Finding(question, Severity.OK, f"{folder} can be written")
    except OSError as error:
        return Finding(
            question, Severity.FAILURE, f"{folder} cannot be written ({error.strerror}): choose another folder"
        )


def _self_test(settings: Settings) -> Finding:
    """Scores a known real face and a known blended face."""
    question = "self-test"
    try:
        engines = Engines.load(settings)
        real, blended = (_probability(engines, settings, picture) for picture in demo_faces())
    except MonitorError as error:
        return Finding(question, Severity.FAILURE, str(error))
    if real is None or blended is None:
        return Finding(question, Severity.FAILURE, "no face was detected in a picture of a face: reinstall the program")
    figures = f"P(fake) of one sample: known-real face {percent(real)}, known-blended face {percent(blended)}"
    if blended > real:
        return Finding(question, Severity.OK, f"{figures}, on {engines.scorer.engine.name}")
    advice = f"{engines.classifier.card.id} does not separate them: read its limits in the model card"
    return Finding(question, Severity.WARNING, f"{figures}: {advice}")


def _probability(engines: Engines, settings: Settings, picture: Pixels) -> float | None:
    faces = engines.faces.detect(picture)[:1]
    tracked = TrackedFaces(faces=faces, track_ids=np.arange(1, len(faces) + 1))
    qualities = quality.measure(picture, faces, settings.quality)
    scores = engines.scorer.score(picture, tracked, qualities, rows=range(len(faces)))
    if not len(scores):
        return None
    return sigmoid(float(scores.log_odds[0]))
