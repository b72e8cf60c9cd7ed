import sys
from functools import cache

import cv2
import numpy as np
import pytest
import torch
from support.footage import portrait
from torch import Tensor

from monitor.errors import ExperimentError, UsageError
from monitor.lab.fakes.codecs import h264, jpeg
from monitor.types import Pixels


def batch(*pictures: Pixels) -> Tensor:
    return torch.stack([torch.tensor(picture).permute(2, 0, 1) / 255 for picture in pictures])


def by_opencv(picture: Pixels, quality: int) -> Pixels:
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]
    _, stored = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    return np.asarray(cv2.cvtColor(cv2.imdecode(stored, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)


class TestJpeg:
    @pytest.mark.parametrize("quality", [30, 50, 75, 90, 98, 100])
    @pytest.mark.parametrize("size", [96, 100])
    def test_it_is_what_opencv_writes_and_reads(self, quality: int, size: int) -> None:
        face = np.ascontiguousarray(portrait()[60 : 60 + size, 170 : 170 + size])
        ours = (jpeg(batch(face), torch.tensor([quality]))[0] * 255).round().permute(1, 2, 0).numpy()
        theirs = by_opencv(face, quality).astype(float)
        assert np.abs(ours - theirs).mean() < 0.6
        assert abs((ours - theirs).mean()) < 0.2

    def test_rows_have_their_own_quality(self) -> None:
        face = np.ascontiguousarray(portrait()[60:156, 170:266])
        qualities = torch.tensor([20, 50, 80, 95])
        together = jpeg(batch(face, face, face, face), qualities)
        for row in range(4):
            assert torch.equal(together[row : row + 1], jpeg(batch(face), qualities[row : row + 1]))
        errors = (together - batch(face)).abs().mean((1, 2, 3))
        assert (errors.diff() < 0).all()

    def test_values_stay_in_range_and_grey_stays_grey(self) -> None:
        flat = torch.full((1, 3, 32, 32), 100 / 255)
        assert torch.allclose(jpeg(flat, torch.tensor([60])), flat, atol=1e-6)
        noise = torch.rand(2, 3, 33, 47, generator=torch.Generator().manual_seed(0))
        coded = jpeg(noise, torch.tensor([1, 100]))
        assert coded.shape == noise.shape
        assert coded.min() >= 0
        assert coded.max() <= 1


@cache
def clip() -> Pixels:
    """Seven frames of the portrait, gliding; odd sides."""
    return np.stack([portrait()[60:157, 150 + 2 * t : 269 + 2 * t] for t in range(7)])


class TestH264:
    def test_quality_falls_with_the_rate_factor_and_order_is_kept(self) -> None:
        errors = []
        for crf in (10, 23, 32, 40):
            coded = h264(clip(), crf=crf)
            assert coded.shape == clip().shape
            assert coded.dtype == np.uint8
            difference = np.abs(coded.astype(float) - clip())
            errors.append(difference.mean())
            for t in range(7):  # each frame is nearer to itself than to the next one
                other = clip()[(t + 1) % 7].astype(float)
                assert difference[t].mean() < np.abs(coded[t] - other).mean()
        assert errors == sorted(errors)
        assert errors[0] < 2.5
        assert errors[-1] > 2 * errors[0]

    def test_the_same_clip_gives_the_same_bits_and_one_frame_is_enough(self) -> None:
        assert np.array_equal(h264(clip(), crf=32), h264(clip(), crf=32))
        assert h264(clip()[:1], crf=32).shape == clip()[:1].shape

    def test_a_rate_factor_out_of_range_is_refused(self) -> None:
        with pytest.raises(ExperimentError, match="from 0 to 51, got 60"):
            h264(clip(), crf=60)

    def test_without_pyav_it_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "av", None)
        with pytest.raises(UsageError, match="pip install av"):
            h264(clip(), crf=32)
