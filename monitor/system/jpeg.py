"""Pixels to JPEG and back, in the one order of channels that this program uses."""

import cv2
import numpy as np

from monitor.types import Pixels


def encoded(pixels: Pixels, *, quality: int) -> bytes:
    """A picture as a JPEG file.

    Args:
        pixels: (H, W, 3) RGB.
        quality: 1..100.

    Raises:
        ValueError: JPEG cannot hold it: a side is 0, or longer than 65,500 pixels.
    """
    try:
        done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error:
        done = False
    if not done:
        raise ValueError(f"no JPEG can be made of {pixels.shape[1]} x {pixels.shape[0]} pixels")
    return jpeg.tobytes()


def decoded(content: bytes) -> Pixels:
    """The pixels (H, W, 3) RGB of a JPEG file.

    Raises:
        ValueError: it is none.
    """
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB) if content else None
    if pixels is None:
        raise ValueError("this is no JPEG that can be decoded")
    return np.asarray(pixels, np.uint8)
