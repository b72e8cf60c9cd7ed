from __future__ import annotations

from pathlib import Path

import pytest
import torch

from monitor.errors import ModelCardError
from monitor.models import inception_resnet_v1
from monitor.models.inception_resnet_v1 import build
from monitor.models.mask_head import MaskHead, build_with_mask, with_features, with_mask
from monitor.models.weights import export_weights


@pytest.fixture(scope="module")
def head() -> MaskHead:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return MaskHead()


@pytest.fixture(scope="module")
def weights(body: torch.nn.Module, head: MaskHead, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with a mask head, as training writes it."""
    network = inception_resnet_v1.body()
    network.load_state_dict(body.state_dict())
    network.add_module("mask_head", head)
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    export_weights(network.state_dict(), path, dtype="float32")
    return path


@pytest.mark.parametrize(("size", "cells"), [(96, 4), (160, 8), (224, 12)])
def test_one_forward_gives_logits_and_features(
    body: torch.nn.Module, head: MaskHead, crops: torch.Tensor, size: int, cells: int
) -> None:
    batch = crops[:, :, :size, :size]
    maps: list[torch.Tensor] = []
    hook = body.repeat_2.register_forward_hook(lambda *call: maps.append(call[2]))
    with torch.inference_mode():
        expected = body(batch)
        hook.remove()
        logits, features = with_features(body, batch)
        mask = head(features)
    assert torch.equal(logits, expected)
    assert torch.equal(features, maps[0])
    assert features.shape == (2, 896, cells, cells)
    assert mask.shape == (2, 1, cells, cells)


def test_both_losses_reach_the_shared_layers(head: MaskHead, crops: torch.Tensor) -> None:
    network = inception_resnet_v1.body(dropout=0.5)
    logits, features = with_features(network, crops[:, :, :96, :96])
    first, last = network.conv2d_1a.conv.weight, network.logits.weight
    head(features).sum().backward(retain_graph=True)
    assert last.grad is None  # the mask does not depend on the classifier's layers
    by_mask = first.grad.clone()
    assert by_mask.abs().sum() > 0
    logits.sum().backward()
    assert not torch.equal(first.grad, by_mask)
    head.zero_grad()


def test_the_mask_comes_beside_logit_and_evidence(body: torch.nn.Module, head: MaskHead, crops: torch.Tensor) -> None:
    batch = crops[:, :, :160, :160]
    net = with_mask(body, head, input_size=160)
    assert not net.training
    with torch.inference_mode():
        logit, evidence, mask = net(batch)
        expected = inception_resnet_v1.with_evidence(body, input_size=160)(batch)
        features = with_features(body, batch)[1]
        by_hand = torch.sigmoid(head.mask(head.squeeze(features).clamp(min=0)))[:, 0]
    assert torch.equal(logit, expected[0])
    assert torch.equal(evidence, expected[1])
    assert mask.shape == (2, 8, 8)
    assert mask.min() > 0
    assert mask.max() < 1
    torch.testing.assert_close(mask, by_hand)


def test_it_learns_where_the_blend_is(body: torch.nn.Module, crops: torch.Tensor) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        head = MaskHead()
    with torch.no_grad():
        features = with_features(body, crops[:, :, :160, :160])[1]
    truth = torch.zeros(2, 1, 8, 8)
    truth[0, :, :4], truth[1, :, :, 4:] = 1, 1
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(head(features), truth)
        loss.backward()
        optimizer.step()
    assert loss < 0.1
    assert ((head(features) > 0) == truth.bool()).float().mean() > 0.95


def test_weights_with_a_mask_head_serve_with_and_without_it(
    weights: Path, body: torch.nn.Module, head: MaskHead, crops: torch.Tensor
) -> None:
    batch = crops[:, :, :96, :96]
    with torch.inference_mode():
        plain = build(weights, input_size=96)(batch)
        masked = build_with_mask(weights, input_size=96)(batch)
        expected = with_mask(body, head, input_size=96)(batch)
    assert len(plain) == 2
    for found, of_file in zip((*plain, *masked), (*expected[:2], *expected), strict=True):
        torch.testing.assert_close(found, of_file)


def test_weights_without_a_mask_head_have_no_mask(body: torch.nn.Module, tmp_path: Path) -> None:
    export_weights(body.state_dict(), tmp_path / "net.safetensors")
    with pytest.raises(ModelCardError, match=r"net\.safetensors hold no mask head"):
        build_with_mask(tmp_path / "net.safetensors", input_size=96)


@pytest.mark.parametrize("harm", ["mask_head.extra", "mask_head.mask.bias", "mask_tail.weight"])
def test_a_mask_head_that_is_not_this_one_is_refused(body: torch.nn.Module, tmp_path: Path, harm: str) -> None:
    state = body.state_dict() | {f"mask_head.{name}": value for name, value in MaskHead().state_dict().items()}
    state[harm] = torch.zeros(7)
    export_weights(state, tmp_path / "net.safetensors")
    with pytest.raises(ModelCardError, match=harm):
        build(tmp_path / "net.safetensors", input_size=96)
