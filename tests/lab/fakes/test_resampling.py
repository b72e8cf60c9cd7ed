import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from monitor.lab.fakes import resampling

LENGTH = 64


def noise(n: int = 2) -> Tensor:
    return torch.rand(n, 3, LENGTH, LENGTH, generator=torch.Generator().manual_seed(0))


def numpy(picture: Tensor) -> np.ndarray:
    return np.ascontiguousarray(picture.permute(1, 2, 0).numpy())


def both(pictures: Tensor, matrices: Tensor) -> Tensor:
    return resampling.apply(pictures, vertical=matrices, horizontal=matrices)


def constant(value: float, n: int = 2) -> Tensor:
    return torch.full((n,), value)


def every_operator() -> dict[str, Tensor]:
    sides, yes = torch.tensor([40.0, 64.0]), torch.tensor([True, False])
    return {
        "crops": resampling.crops(constant(-5.0), constant(50.0), size=LENGTH, length=LENGTH),
        "moves": resampling.moves(torch.tensor([1.3, -2.0]), torch.tensor([1.05, 0.95]), length=LENGTH),
        "blurs": resampling.blurs(torch.tensor([0.0, 2.0]), length=LENGTH),
        "detail": resampling.detail(constant(1.0), torch.tensor([-1.0, 0.8]), length=LENGTH),
        **{
            f"reductions {kind}": resampling.reductions(
                sides, length=LENGTH, averaging=yes, enlarging=torch.full((2,), kind)
            )
            for kind in range(3)
        },
    }


@pytest.mark.parametrize("name", every_operator())
def test_a_flat_picture_stays_flat(name: str) -> None:
    matrices = every_operator()[name]
    assert matrices.shape == (2, LENGTH, LENGTH)
    assert torch.allclose(matrices.sum(2), torch.ones(2, LENGTH), atol=1e-5)


def test_apply_treats_rows_and_columns_each_with_its_own() -> None:
    pictures = noise()
    shifted = torch.eye(LENGTH).roll(1, 0).expand(2, -1, -1)
    same = torch.eye(LENGTH).expand(2, -1, -1)
    assert torch.equal(resampling.apply(pictures, vertical=shifted, horizontal=same), pictures.roll(1, 2))
    assert torch.equal(resampling.apply(pictures, vertical=same, horizontal=shifted), pictures.roll(1, 3))


def test_blur_is_opencvs_gaussian() -> None:
    pictures = noise(1)
    ours = numpy(both(pictures, resampling.blurs(constant(1.5, 1), length=LENGTH))[0])
    theirs = cv2.GaussianBlur(numpy(pictures[0]), (15, 15), 1.5)
    assert np.abs(ours - theirs)[8:-8, 8:-8].max() < 1e-3


def test_detail_blurs_keeps_and_sharpens() -> None:
    pictures = noise(3)
    made = both(pictures, resampling.detail(constant(1.0, 3), torch.tensor([-1.0, 0.0, 1.0]), length=LENGTH))
    assert torch.equal(made[1], pictures[1])
    assert made[0].var() < 0.5 * pictures[0].var()
    assert made[2].var() > 1.5 * pictures[2].var()


@pytest.mark.parametrize(
    ("averaging", "enlarging", "down", "up"),
    [
        (True, 1, cv2.INTER_AREA, cv2.INTER_LINEAR),
        (True, 2, cv2.INTER_AREA, cv2.INTER_CUBIC),
        (False, 1, cv2.INTER_LINEAR, cv2.INTER_LINEAR),
    ],
)
@pytest.mark.parametrize("side", [20, 32, 45, 64])
def test_reductions_are_opencvs_resizes(side: int, averaging: bool, enlarging: int, down: int, up: int) -> None:
    pictures = noise(1)
    matrices = resampling.reductions(
        constant(float(side), 1),
        length=LENGTH,
        averaging=torch.tensor([averaging]),
        enlarging=torch.tensor([enlarging]),
    )
    small = cv2.resize(numpy(pictures[0]), (side, side), interpolation=down)
    theirs = cv2.resize(small, (LENGTH, LENGTH), interpolation=up)
    difference = np.abs(numpy(both(pictures, matrices)[0]) - theirs)
    assert difference[6:-6, 6:-6].max() < 1e-4
    assert difference.mean() < 0.01  # at the border the cubic differs


def test_reductions_by_nearest_make_blocks() -> None:
    matrices = resampling.reductions(
        constant(16.0, 1), length=LENGTH, averaging=torch.tensor([True]), enlarging=torch.tensor([0])
    )
    blocks = both(noise(1), matrices)[0, 0].view(16, 4, 16, 4)
    assert (blocks.amax((1, 3)) - blocks.amin((1, 3))).max() < 1e-5


def test_moves_shift_and_enlarge_about_the_middle() -> None:
    pictures = noise(1)
    shifted = both(pictures, resampling.moves(constant(3.0, 1), constant(1.0, 1), length=LENGTH))
    assert torch.allclose(shifted[..., 3:, 3:], pictures[..., :-3, :-3], atol=1e-5)
    ramp = (torch.arange(LENGTH) - 31.5).expand(1, 3, LENGTH, LENGTH)
    enlarged = both(ramp, resampling.moves(constant(0.0, 1), constant(2.0, 1), length=LENGTH))
    assert torch.allclose(enlarged, ramp / 2, atol=0.06)  # a cubic of -0.75 is not exact on ramps


def test_far_moves_end_at_the_border() -> None:
    matrices = resampling.moves(torch.tensor([90.0, -90.0]), constant(1.0), length=LENGTH)
    assert torch.allclose(matrices[0, :, 0], torch.ones(LENGTH), atol=1e-5)
    assert torch.allclose(matrices[1, :, -1], torch.ones(LENGTH), atol=1e-5)
