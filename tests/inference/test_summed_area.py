"""Resampling by summed areas is adaptive average pooling."""

import numpy as np
import pytest
import torch

from monitor.inference.summed_area import SummedArea


@pytest.mark.parametrize("size", [(17, 31), (48, 48), (90, 130), (300, 200)])
def test_summed_area_is_adaptive_average_pooling(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (120, 170, 3), np.uint8)
    image = SummedArea(pixels)
    planes = torch.from_numpy(pixels).permute(2, 0, 1).float()
    pooled = torch.nn.functional.adaptive_avg_pool2d(planes, size).numpy()
    np.testing.assert_allclose(image.resize(height=size[0], width=size[1]), pooled[None], atol=1e-4)
    squares = np.array([(11, 21, 60, 70), (-20, -5, 40.9, 55.9), (160, 100, 190, 130)], np.float32)
    clipped = [planes[:, 20:70, 10:60], planes[:, 0:55, 0:40], planes[:, 99:120, 159:170]]
    for cut, part in zip(image.cut(squares, side=24), clipped, strict=True):
        np.testing.assert_allclose(cut, torch.nn.functional.adaptive_avg_pool2d(part, 24).numpy(), atol=1e-4)


def test_summed_area_stays_exact_after_an_overflow() -> None:
    image = SummedArea(np.full((9000, 1200, 3), 250, np.uint8))  # sums to 2.7e9
    assert np.ptp(image.resize(height=90, width=12)) == 0
    assert (image.cut(np.array([(1, 8001, 900, 9000)], np.float32), side=24) == 250).all()
