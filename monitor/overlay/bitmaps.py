"""Small translucent pictures, drawn once and pasted often."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from PIL import Image

from monitor.types import Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Bitmap:
    """A premultiplied picture with opacity."""

    colour: Pixels  # (h, w, 3) RGB times opacity
    keep: Pixels  # (h, w, 3) 255 minus opacity: the remaining share of the background

    @classmethod
    def of(cls, image: Image.Image) -> Self:
        """Convert a Pillow picture in mode RGBA."""
        rgba = np.asarray(image)
        alpha = np.repeat(rgba[..., 3:], 3, axis=2)
        return cls(np.asarray(cv2.multiply(rgba[..., :3], alpha, scale=1 / 255), np.uint8), 255 - alpha)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.colour.shape[1], self.colour.shape[0]

    def paste(self, canvas: Pixels, at: tuple[int, int]) -> None:
        """Paste onto ``canvas`` (H, W, 3) with the top left corner ``at`` x y; parts outside are cut off."""
        x, y = at
        left, top = max(x, 0), max(y, 0)
        below = canvas[top : max(y + self.size[1], 0), left : max(x + self.size[0], 0)]
        if not below.size:
            return
        part = np.s_[top - y : top - y + below.shape[0], left - x : left - x + below.shape[1]]
        below[:] = cv2.add(cv2.multiply(below, self.keep[part], scale=1 / 255), self.colour[part])
