"""Converts pixels to JPEG and back, always with RGB channel order."""

import cv2
import numpy as np

from monitor.types import Pixels


def encode(pixels: Pixels, *, quality: int) -> bytes:
    """Encode a picture as a JPEG file.

    Args:
        pixels: (H, W, 3) RGB.
        quality: 1..100.

    Raises:
        ValueError: a side is 0, or longer than JPEG's limit of 65,500 pixels.
    """
    try:
        done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error:
        done = False
    if not done:
        raise ValueError(f"no JPEG can be made of {pixels.shape[1]} x {pixels.shape[0]} pixels")
    return jpeg.tobytes()


def decode(content: bytes) -> Pixels:
    """Decode a JPEG file to pixels (H, W, 3) RGB.

    Raises:
        ValueError: the content cannot be decoded.
    """
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB) if content else None
    if pixels is None:
        raise ValueError("this is no JPEG that can be decoded")
    return np.asarray(pixels, np.uint8)
