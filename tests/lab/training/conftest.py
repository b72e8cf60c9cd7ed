"""Two tiny sets of faces and an experiment that learns from them within seconds."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from support.face_shards import pair_rows, write_faces

from monitor.lab.training.experiment import Data, Experiment, Optimizer, Stage, ValidationSchedule


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders that hold the sets "pairs" (with val) and "reals"."""
    root = tmp_path_factory.mktemp("sets")
    write_faces(root / "pairs", pair_rows(5, split="train") + pair_rows(3, split="val", start=5))
    reals = [row for row in pair_rows(4, split="train") if row["label"] == "0"]
    write_faces(root / "reals", reals, landmarks=True, side=1.0)
    return [root]


@pytest.fixture
def experiment() -> Callable[..., Experiment]:
    """A ViT at 80 and 96 pixels, eight steps of four images; keywords change it."""

    def make(**changes: object) -> Experiment:
        plain = {
            "name": "tiny",
            "model": "vit",
            "precision": "fp32",
            "data": (Data("pairs", share=3, pseudo_fakes=0.5), Data("reals", share=1, pseudo_fakes=1.0)),
            "stages": (Stage(80, 20, 4), Stage(96, 12, 4)),
            "optimizer": Optimizer(warmup_images=4, ema_images=20),
            "validation": ValidationSchedule(every_images=12),
        }
        return Experiment(**{**plain, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
