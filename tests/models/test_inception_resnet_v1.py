from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from monitor.errors import ModelCardError
from monitor.models.inception_resnet_v1 import build, with_evidence


@pytest.fixture
def weights(body: torch.nn.Module, tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    save_file(
        {name: value.half() if value.is_floating_point() else value for name, value in body.state_dict().items()}, path
    )
    return path


def test_half_precision_weights_make_a_full_precision_network(
    weights: Path, body: torch.nn.Module, crops: torch.Tensor
) -> None:
    net = build(weights)
    assert not net.training
    assert {value.dtype for value in net.parameters()} == {torch.float32}
    with torch.inference_mode():
        found, expected = net(crops), with_evidence(body)(crops)
    torch.testing.assert_close(found[0], expected[0], atol=2e-2, rtol=1e-2)  # fp16 rounding of the weights
    assert not torch.equal(found[0], expected[0])


def test_building_twice_gives_the_same_network(weights: Path, crops: torch.Tensor) -> None:
    with torch.inference_mode():
        assert torch.equal(build(weights)(crops)[0], build(weights)(crops)[0])


def lose_a_layer(state: dict[str, torch.Tensor]) -> None:
    del state["last_bn.weight"]


def add_a_layer(state: dict[str, torch.Tensor]) -> None:
    state["extra.weight"] = torch.zeros(1)


def add_a_class(state: dict[str, torch.Tensor]) -> None:
    state["logits.weight"] = torch.zeros(2, 512)


@pytest.mark.parametrize(
    ("harm", "where"), [(lose_a_layer, "last_bn.weight"), (add_a_layer, "extra.weight"), (add_a_class, "logits.weight")]
)
def test_other_architectures_are_refused(weights: Path, harm, where: str) -> None:
    state = load_file(weights)
    harm(state)
    save_file(state, weights)
    with pytest.raises(ModelCardError, match=where):
        build(weights)


def test_a_file_that_is_no_safetensors_is_refused(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelCardError, match="do not fit"):
        build(weights)
