"""The texts on a frame: the plate of each face, the status line, the legend of the heat-map."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from monitor.overlay.bitmaps import Bitmap
from monitor.overlay.heat import colours
from monitor.overlay.outlines import OUTLINES
from monitor.types import Label, Verdict
from monitor.types.formatting import percent

_BACK = (16, 18, 22, 205)
_BRIGHT = (255, 255, 255)
_DIM = (200, 205, 212)
_OVERSAMPLING = 3  # oversampling factor, for even spacing and smooth edges at ten pixels


def plate(verdict: Verdict, size: int, *, short: bool = False) -> Bitmap:
    """The plate of one face: glyph, label in words, confidence; then its id and the main reason.

    Args:
        size: height of the letters, pixels.
        short: only glyph and id.
    """
    if short:
        return _short_plate(verdict.label, f"#{verdict.track_id}", size)
    words = verdict.label.in_words.capitalize()
    headline = words if verdict.confidence is None else f"{words} {percent(verdict.confidence)}"
    detail = " · ".join([f"#{verdict.track_id}", *(reason.in_words for reason in verdict.reasons[:1])])
    return _plate(verdict.label, headline, detail, size)


@lru_cache(maxsize=64)
def _plate(label: Label, headline: str, detail: str, size: int) -> Bitmap:
    size *= _OVERSAMPLING
    small, pad, mark = _small(size), round(size * 0.42), round(size * 1.9)
    text_x = pad + mark + round(size * 0.5)
    width = text_x + max(_width(headline, size), _width(detail, small)) + round(size * 0.55)
    height = round(size * 1.15 + small * 1.2) + 2 * pad
    image, draw = _blank(width, height, radius=round(size * 0.4))
    image.alpha_composite(_glyph(label, mark), (pad, (height - mark) // 2))
    draw.text((text_x, pad + size), headline, _BRIGHT, _font(size), anchor="ls")
    draw.text((text_x, height - pad - small // 4), detail, _DIM, _font(small), anchor="ls")
    return Bitmap.of(image.reduce(_OVERSAMPLING))


@lru_cache(maxsize=64)
def _short_plate(label: Label, text: str, size: int) -> Bitmap:
    size *= _OVERSAMPLING
    small, pad = _small(size), round(size * 0.25)
    text_x = 2 * pad + small
    image, draw = _blank(text_x + _width(text, small) + round(1.5 * pad), small + 2 * pad, radius=round(size * 0.3))
    image.alpha_composite(_glyph(label, small), (pad, (image.height - small) // 2))
    draw.text((text_x, image.height // 2), text, _BRIGHT, _font(small), anchor="lm")
    return Bitmap.of(image.reduce(_OVERSAMPLING))


@lru_cache(maxsize=16)
def status(text: str, size: int) -> Bitmap:
    """A line of text in a muted style."""
    small = _small(size * _OVERSAMPLING)
    pad = small // 2
    image, draw = _blank(_width(text, small) + 2 * pad, round(small * 1.2) + pad, radius=pad)
    draw.text((pad, image.height // 2), text, _DIM, _font(small), anchor="lm")
    return Bitmap.of(image.reduce(_OVERSAMPLING))


@lru_cache(maxsize=8)
def legend(scale: float, opacity: float, size: int) -> Bitmap:
    """The legend of the heat-map: ``scale`` logits at either end, on a grey picture."""
    small = _small(size * _OVERSAMPLING)
    pad, length, font = small // 2, small * 5, _font(small)
    left, right = f"real -{scale:g}", f"+{scale:g} fake"
    bar_x = 2 * pad + _width(left, small)
    width, height = bar_x + length + _width(right, small) + 2 * pad, round(small * 1.2) + pad
    image, draw = _blank(width, height, radius=pad)
    draw.text((pad, height // 2), left, _DIM, font, anchor="lm")
    draw.text((width - pad, height // 2), right, _DIM, font, anchor="rm")
    ramp = np.linspace(-scale, scale, length, dtype=np.float32)[None]
    grey = np.full((small // 2, length, 3), 150, np.uint8)
    colours(ramp, (length, small // 2), scale=scale, opacity=opacity).paste(grey, (0, 0))
    image.paste(Image.fromarray(grey), (bar_x, height // 2 - small // 4))
    return Bitmap.of(image.reduce(_OVERSAMPLING))


def _small(size: int) -> int:
    return max(10 * _OVERSAMPLING, round(size * 0.78))


def _width(text: str, size: int) -> int:
    return round(_font(size).getlength(text))


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own Aileron font, part of its wheels."""
    return ImageFont.load_default(size)


def _blank(width: int, height: int, *, radius: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A dark translucent plate with rounded corners; its size is a multiple of the oversampling factor."""
    width, height = -(-width // _OVERSAMPLING) * _OVERSAMPLING, -(-height // _OVERSAMPLING) * _OVERSAMPLING
    image = Image.new("RGBA", (width, height), (*_BACK[:3], 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), radius, _BACK)
    return image, draw


@lru_cache(maxsize=8)
def _glyph(label: Label, side: int) -> Image.Image:
    """A glyph with a distinct shape per label: tick on a disc, triangle, octagon, open ring."""
    image = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(image)
    rgb, dark, pen = OUTLINES[label].rgb, _BACK[:3], side // 9

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x * (side - 1), y * (side - 1)) for x, y in points]

    if label is Label.LIKELY_REAL:
        draw.ellipse(at((0.04, 0.04), (0.96, 0.96)), rgb)
        draw.line(at((0.27, 0.52), (0.44, 0.69), (0.74, 0.34)), dark, pen, joint="curve")
    elif label is Label.SUSPICIOUS:
        draw.polygon(at((0.5, 0.04), (1.0, 0.93), (0.0, 0.93)), rgb)
        draw.line(at((0.5, 0.34), (0.5, 0.64)), dark, pen)
        draw.ellipse(at((0.44, 0.72), (0.56, 0.84)), dark)
    elif label is Label.LIKELY_FAKE:
        draw.regular_polygon((side / 2, side / 2, side / 2), 8, 22.5, rgb)
        draw.line(at((0.32, 0.32), (0.68, 0.68)), dark, pen)
        draw.line(at((0.68, 0.32), (0.32, 0.68)), dark, pen)
    else:
        draw.ellipse(at((0.1, 0.1), (0.9, 0.9)), outline=rgb, width=pen)
        draw.line(at((0.32, 0.5), (0.68, 0.5)), rgb, pen)
    return image
