import io

import numpy as np
import pytest
from PIL import Image

from monitor.system.jpeg import decode, encode

RED = np.full((24, 40, 3), (220, 30, 10), np.uint8)


def test_channels_keep_their_order() -> None:
    content = encode(RED, quality=95)
    witness = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    for pixels in (witness, decode(content)):
        assert pixels.shape == RED.shape
        assert np.abs(pixels.astype(int) - RED).max() <= 4


def test_quality_changes_the_size() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert len(encode(noise, quality=20)) < len(encode(noise, quality=90)) / 2


@pytest.mark.parametrize("shape", [(0, 8, 3), (8, 70_000, 3)])
def test_pictures_beyond_the_limits_of_jpeg_are_errors(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=f"{shape[1]} x {shape[0]} pixels"):
        encode(np.zeros(shape, np.uint8), quality=80)


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_invalid_content_is_an_error(content: bytes) -> None:
    with pytest.raises(ValueError, match="no JPEG"):
        decode(content)
