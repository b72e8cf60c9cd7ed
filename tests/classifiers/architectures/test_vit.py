import pytest
import torch
from support.random_weights import coarse_crops

from monitor.classifiers.architectures import vit


def test_the_network_is_tiny_and_has_no_class_token() -> None:
    body = vit.body()
    assert 5.4e6 < sum(value.numel() for value in body.parameters()) < 5.6e6
    assert body.cls_token is None
    assert body.pos_embed.shape == (1, 14 * 14, 192)
    assert isinstance(body.norm, torch.nn.LayerNorm)  # before the mean,
    assert isinstance(body.fc_norm, torch.nn.Identity)  # not after it


@pytest.mark.parametrize("size", [80, 96, 160, 224, 288])
def test_a_fixed_input_size_agrees_with_the_flexible_body(bodies: dict[str, torch.nn.Module], size: int) -> None:
    batch = coarse_crops(size)
    net = vit.with_evidence(bodies["vit"], input_size=size)
    with torch.inference_mode():
        logit, evidence = net(batch)
        expected = bodies["vit"](batch)[:, 0]
    assert evidence.shape == (2, size // 16, size // 16)
    torch.testing.assert_close(logit, expected, atol=1e-5, rtol=0)


def test_a_body_trains_at_several_sizes() -> None:
    body = vit.body()
    for size in (96, 128, 160):
        body(coarse_crops(size)).sum().backward()
    assert body.pos_embed.grad.abs().sum() > 0


def test_the_body_keeps_its_own_position_embedding(bodies: dict[str, torch.nn.Module]) -> None:
    before = bodies["vit"].pos_embed.clone()
    vit.with_evidence(bodies["vit"], input_size=96)
    assert torch.equal(bodies["vit"].pos_embed, before)
