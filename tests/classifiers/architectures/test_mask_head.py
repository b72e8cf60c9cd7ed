from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from monitor.classifiers.architectures import inception_resnet_v1
from monitor.classifiers.architectures.inception_resnet_v1 import build
from monitor.classifiers.architectures.mask_head import MaskHead, build_with_mask, local_spectrum, with_mask
from monitor.classifiers.weights import export_weights
from monitor.errors import ModelCardError


def new_head(seed: int = 2) -> MaskHead:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MaskHead()


@pytest.fixture(scope="module")
def head() -> MaskHead:
    """Random, its statistics those of some noise, in eval mode."""
    head = new_head()
    with torch.no_grad():
        head(0.2 * torch.randn(8, 3, 96, 96, generator=torch.Generator().manual_seed(3)))
    return head.eval()


@pytest.fixture(scope="module")
def weights(body: torch.nn.Module, head: MaskHead, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with a mask head, as training writes it."""
    network = inception_resnet_v1.body()
    network.load_state_dict(body.state_dict())
    network.add_module("mask_head", head)
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    export_weights(network.state_dict(), path, dtype="float32")
    return path


def half_smoothed(n: int, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise, one half of which, left, right, above or below, was smoothed; and which cells that is, (N, 1, 12, 12)."""
    noise = 0.3 * torch.randn(n, 3, 96, 96, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.avg_pool2d(noise, 3, stride=1, padding=1)
    where = torch.zeros(n, 1, 96, 96)
    for row in range(n):
        half = slice(48) if row % 2 else slice(48, None)
        where[row, 0, half] = 1
        if row % 4 > 1:
            where[row] = where[row].transpose(1, 2).clone()
    return noise + where * (smooth - noise), torch.nn.functional.avg_pool2d(where, 8)


@pytest.mark.parametrize("size", [75, 96, 139, 160, 224])
def test_a_cell_is_eight_pixels(head: MaskHead, crops: torch.Tensor, size: int) -> None:
    with torch.inference_mode():
        assert head(crops[:, :, :size, :size]).shape == (2, 1, size // 8, size // 8)


def test_the_spectrum_is_that_of_scipys_cosine_transform(crops: torch.Tensor) -> None:
    picture = crops[:1, :, :96, :96]
    found = local_spectrum(picture)[0, :, 5, 7].numpy()
    turn = np.array(((0.299, 0.587, 0.114), (-0.1687, -0.3313, 0.5), (0.5, -0.4187, -0.0813)), np.float32)
    channels = np.einsum("dc,chw->dhw", turn, picture[0].numpy())
    windows = [(y, x) for y in (38, 42) for x in (54, 58)]  # 8 x 8 pixels each, around the cell at 40, 56
    means = [
        np.mean([np.abs(dctn(channel[y : y + 8, x : x + 8], norm="ortho")) for y, x in windows], axis=0)
        for channel in channels
    ]
    strengths = [means[0].flatten()[1:], means[1][:4, :4].flatten()[1:], means[2][:4, :4].flatten()[1:]]
    assert found[:93] == pytest.approx(np.log(np.concatenate(strengths) + 0.0025), abs=1e-3)
    assert found[93:] == pytest.approx(channels[:, 40:48, 56:64].mean((1, 2)), abs=1e-5)


def test_half_precision_around_it_does_not_touch_the_spectrum(crops: torch.Tensor) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = local_spectrum(crops)
    assert found.dtype == torch.float32
    assert torch.equal(found, local_spectrum(crops))


def test_brightness_alone_has_no_detail() -> None:
    grey = torch.full((1, 3, 96, 96), 0.4)
    assert local_spectrum(grey)[:, :93].max() < np.log(0.003)


def test_it_learns_where_detail_was_taken_away() -> None:
    head = new_head(seed=4)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    for step in range(40):
        pictures, truth = half_smoothed(8, seed=step)
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(head(pictures), truth).backward()
        optimizer.step()
    pictures, truth = half_smoothed(16, seed=1000)
    with torch.inference_mode():
        said = head.eval()(pictures) > 0
    assert (said == (truth > 0.5)).float().mean() > 0.95


def test_the_mask_comes_beside_logit_and_evidence(body: torch.nn.Module, head: MaskHead, crops: torch.Tensor) -> None:
    batch = crops[:, :, :160, :160]
    net = with_mask(body, head, input_size=160)
    assert not net.training
    with torch.inference_mode():
        logit, evidence, mask = net(batch)
        expected = inception_resnet_v1.with_evidence(body, input_size=160)(batch)
        by_hand = torch.sigmoid(head(batch))[:, 0]
    assert torch.equal(logit, expected[0])
    assert torch.equal(evidence, expected[1])
    assert mask.shape == (2, 20, 20)
    assert mask.min() > 0
    assert mask.max() < 1
    torch.testing.assert_close(mask, by_hand)


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
