from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor import doctor
from monitor.analysis.pipeline import Engines
from monitor.analysis.scores import Scorer
from monitor.doctor import Finding, Severity, examine
from monitor.settings import Settings


def findings(settings: Settings, out: Path) -> dict[str, Finding]:
    return {finding.question: finding for finding in examine(settings, out=out)}


def test_a_ready_machine_has_no_failure(settings: Settings, tmp_path: Path) -> None:
    found = findings(settings, tmp_path / "not made yet" / "results")
    assert Severity.FAILURE not in {finding.health for finding in found.values()}
    assert "onnxruntime" in found["engine"].answer
    assert "not chosen" in found["engine torch"].answer
    assert "torch 2." in found["packages"].answer
    assert "can be read" in found["content credentials"].answer
    assert "known-real face" in found["self-test"].answer
    assert not (tmp_path / "not made yet").exists(), "it only looks"


def test_an_unknown_backend_is_a_failure_with_advice(settings: Settings, tmp_path: Path) -> None:
    classifier = settings.classifier.model_copy(update={"backend": "abacus"})
    found = findings(settings.model_copy(update={"classifier": classifier}), tmp_path)
    assert found["engine"].health is Severity.FAILURE
    assert "onnxruntime" in found["engine"].answer


def test_a_missing_library_for_content_credentials_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ImportError("the package c2pa-python is not installed")

    monkeypatch.setattr(doctor, "load_library", missing)
    found = doctor._credentials()
    assert found.health is Severity.WARNING
    assert found.answer == "cannot be read here: the package c2pa-python is not installed; everything else works"


def test_missing_weights_fail_the_self_test(settings: Settings, tmp_path: Path) -> None:
    classifier = settings.classifier.model_copy(update={"weights": tmp_path / "absent.safetensors"})
    found = findings(settings.model_copy(update={"classifier": classifier}), tmp_path)
    assert found["self-test"].health is Severity.FAILURE
    assert "absent.safetensors" in found["self-test"].answer


def test_a_folder_that_cannot_be_written_is_a_failure(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    found = findings(settings, tmp_path)
    assert found["results"].health is Severity.FAILURE
    assert "Permission denied" in found["results"].answer


@pytest.mark.parametrize(
    ("logits", "health", "words"),
    [((-2.0, 2.0), Severity.OK, "onnxruntime"), ((1.0, -1.0), Severity.WARNING, "does not separate them")],
)
def test_the_self_test_rates_the_running_engine(
    settings: Settings,
    engines: Engines,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    logits: tuple[float, float],
    health: Severity,
    words: str,
) -> None:
    answers = iter(logits)

    class Scripted:
        name = "onnxruntime-scripted"

        def run(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:
            return np.array([next(answers)], np.float32), np.zeros((1, 2, 2), np.float32)

    scorer = Scorer(engines.classifier, Scripted())
    monkeypatch.setattr(Engines, "load", lambda _: replace(engines, scorers=(scorer,)))
    finding = findings(settings, tmp_path)["self-test"]
    assert finding.health is health
    assert words in finding.answer
