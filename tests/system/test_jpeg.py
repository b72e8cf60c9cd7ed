import io

import numpy as np
import pytest
from PIL import Image

from monitor.system.jpeg import decoded, encoded

RED = np.full((24, 40, 3), (220, 30, 10), np.uint8)


def test_channels_keep_their_order() -> None:
    content = encoded(RED, quality=95)
    witness = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    for pixels in (witness, decoded(content)):
        assert pixels.shape == RED.shape
        assert np.abs(pixels.astype(int) - RED).max() <= 4


def test_quality_is_heard() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert len(encoded(noise, quality=20)) < len(encoded(noise, quality=90)) / 2


@pytest.mark.parametrize("shape", [(0, 8, 3), (8, 70_000, 3)])
def test_what_jpeg_cannot_hold_is_told(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=f"{shape[1]} x {shape[0]} pixels"):
        encoded(np.zeros(shape, np.uint8), quality=80)


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_what_is_none_is_told(content: bytes) -> None:
    with pytest.raises(ValueError, match="no JPEG"):
        decoded(content)
