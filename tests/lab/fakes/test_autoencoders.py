from pathlib import Path

import pytest
import torch
from torch import Tensor

from monitor.errors import ExperimentError
from monitor.lab.fakes.autoencoders import UPSAMPLINGS, Autoencoder, Autoencoders

CPU = torch.device("cpu")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("size", [64, 96])
def test_any_size_comes_out_as_it_went_in(upsampling: str, size: int) -> None:
    assert Autoencoder(upsampling)(torch.rand(2, 3, size, size)).shape == (2, 3, size, size)


def test_what_was_saved_is_loaded_whole(tmp_path: Path, autoencoders: Autoencoders) -> None:
    path = tmp_path / "a.safetensors"
    autoencoders.save(path)
    loaded = Autoencoders.load(path, device=CPU)
    picture = torch.rand(1, 3, 64, 64, generator=seeded(1))
    for name in UPSAMPLINGS:
        assert torch.equal(loaded.networks[name](picture), autoencoders.networks[name](picture))
        assert not any(one.requires_grad for one in loaded.networks[name].parameters())


@pytest.mark.parametrize("content", [None, b"", b"no tensors"])
def test_a_file_without_autoencoders_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExperimentError, match="holds no autoencoders"):
        Autoencoders.load(path, device=CPU)


def test_no_name_means_none() -> None:
    assert Autoencoders.named_by("", device=CPU) is None


def test_every_row_is_made_again_by_the_seed(faces: tuple[Tensor, Tensor], autoencoders: Autoencoders) -> None:
    images = faces[0]
    first, again, other = (autoencoders.remade(images, generator=seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1
    assert ((first - images).abs().amax((1, 2, 3)) > 0.02).all()
