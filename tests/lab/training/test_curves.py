import importlib.util
import logging
from pathlib import Path

import pytest

from monitor.lab.training.curves import FOLDER, Curves
from monitor.lab.training.trainer import Progress


def test_loss_and_auc_can_be_read_by_tensorboard(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs: pip install 'deepfake-monitor[lab]'"
    )
    with Curves(tmp_path) as curves:
        for step in range(1, 26):
            history = [{"images": 32.0 * 15, "hours": 0.1, "auc_faces": 0.75}] if step >= 15 else []
            curves.add(Progress(step=step, images=32 * step, seconds=float(step), history=history), 1 / step)
    events = accumulator.EventAccumulator(str(tmp_path / FOLDER)).Reload()
    losses = [(event.step, event.value) for event in events.Scalars("loss")]
    assert losses == [
        (320, pytest.approx(sum(1 / n for n in range(1, 11)) / 10)),
        (640, pytest.approx(sum(1 / n for n in range(11, 21)) / 10)),
    ]
    assert [(event.step, event.value) for event in events.Scalars("AUC/faces")] == [(480, 0.75)]
    assert events.Scalars("images per second")[0].value == 32


def test_without_tensorboard_it_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with caplog.at_level(logging.WARNING), Curves(tmp_path) as curves:
        for step in range(20):
            curves.add(Progress(step=step), 0.5)
        curves.add_validations(Progress())
    assert "TensorBoard is not installed" in caplog.text
    assert not list(tmp_path.iterdir())
