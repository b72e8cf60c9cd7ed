import numpy as np
import pytest
from PIL import Image

from monitor.overlay.bitmaps import Bitmap


def bitmap(rgba: tuple[int, int, int, int], size: tuple[int, int] = (4, 3)) -> Bitmap:
    return Bitmap.of(Image.new("RGBA", size, rgba))


def test_opacity_sets_the_share_of_the_background() -> None:
    for alpha, expected in ((0, 100), (255, 200), (128, 150)):
        canvas = np.full((3, 4, 3), 100, np.uint8)
        bitmap((200, 200, 200, alpha)).paste(canvas, (0, 0))
        assert np.abs(canvas.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("at", [(-2, -1), (3, 4), (-2, 4), (3, -1), (1, 1)])
def test_parts_outside_the_canvas_are_cut_off(at: tuple[int, int]) -> None:
    canvas, expected = np.zeros((5, 5, 3), np.uint8), np.zeros((15, 15, 3), np.uint8)
    bitmap((255, 255, 255, 255)).paste(canvas, at)
    expected[5 + at[1] : 8 + at[1], 5 + at[0] : 9 + at[0]] = 255
    assert np.array_equal(canvas, expected[5:10, 5:10])
    assert canvas.any()


@pytest.mark.parametrize("at", [(-4, 0), (0, -3), (5, 0), (0, 5), (-900, -900)])
def test_a_bitmap_outside_the_canvas_draws_nothing(at: tuple[int, int]) -> None:
    canvas = np.zeros((5, 5, 3), np.uint8)
    bitmap((255, 255, 255, 255)).paste(canvas, at)
    assert not canvas.any()


def test_size_is_width_and_height() -> None:
    assert bitmap((0, 0, 0, 0), (7, 2)).size == (7, 2)
