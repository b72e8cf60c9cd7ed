import cv2
import numpy as np
import pytest

from monitor.classifiers.crops import crop_faces, crop_squares, cut_squares
from monitor.classifiers.model_card import CropPolicy
from monitor.types import Floats, Pixels

POLICY = CropPolicy(side_over_box_height=0.85, centre_below_box_centre_over_box_height=0.06)
WIDTH, HEIGHT = 250, 200


@pytest.fixture
def ramp() -> Pixels:
    """Red is the column, green the row (of pixel centres, less a half), blue is 7."""
    pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    pixels[..., 0] = np.arange(WIDTH)[None, :]
    pixels[..., 1] = np.arange(HEIGHT)[:, None]
    pixels[..., 2] = 7
    pixels.flags.writeable = False  # as frames are
    return pixels


def squares(*rows: tuple[float, float, float]) -> Floats:
    return np.array([(x, y, x + side, y + side) for x, y, side in rows], np.float32)


def exact_average(pixels: Pixels, x: float, y: float, side: float, size: int) -> np.ndarray:
    """The integral of the picture, piecewise constant, over every crop pixel; the slow, exact way."""

    def coverage(start: float, count: int) -> np.ndarray:
        edges = start + np.linspace(0, side, size + 1)
        source = np.arange(count)
        return np.clip(np.minimum(edges[1:, None], source + 1) - np.maximum(edges[:-1, None], source), 0, 1)

    rows, columns = coverage(y, pixels.shape[0]), coverage(x, pixels.shape[1])
    return np.einsum("ih,hwc,jw->ijc", rows, pixels.astype(float), columns, optimize=True) * (size / side) ** 2


def test_the_square_follows_the_policy() -> None:
    boxes = np.array([[100, 200, 180, 300]], np.float32)
    np.testing.assert_allclose(crop_squares(boxes, policy=POLICY), [[97.5, 213.5, 182.5, 298.5]])


def test_squares_are_square_float32_and_aligned_with_their_boxes() -> None:
    boxes = np.random.default_rng(0).uniform(0, 500, (50, 4)).astype(np.float32)
    boxes[:, 2:] = boxes[:, :2] + np.abs(boxes[:, 2:]) + 1
    found = crop_squares(boxes, policy=POLICY)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 2] - found[:, 0], found[:, 3] - found[:, 1], rtol=1e-4)
    np.testing.assert_allclose(found[7:8], crop_squares(boxes[7:8], policy=POLICY))


def test_a_box_without_height_has_a_square_of_one_pixel() -> None:
    found = crop_squares(np.array([[10, 20, 30, 20]], np.float32), policy=POLICY)
    np.testing.assert_allclose(found, [[19.5, 19.5, 20.5, 20.5]])


@pytest.mark.parametrize("size", [24, 40, 96])
@pytest.mark.parametrize(("x", "y", "side"), [(20, 30, 96), (20.25, 30.75, 96), (11.6, 23.4, 61.7), (3.3, 2.2, 190.4)])
def test_every_crop_pixel_shows_its_own_position(ramp: Pixels, x: float, y: float, side: float, size: int) -> None:
    crop = cut_squares(ramp, squares((x, y, side)), size=size)[0].astype(float)
    centres = (np.arange(size) + 0.5) * side / size - 0.5
    inner = slice(1, -1)
    np.testing.assert_allclose(crop[inner, inner, 0], np.tile(x + centres, (size, 1))[inner, inner], atol=1.1)
    np.testing.assert_allclose(crop[..., 0].mean(), x + side / 2 - 0.5, atol=0.55)
    np.testing.assert_allclose(crop[..., 1].mean(), y + side / 2 - 0.5, atol=0.55)
    assert (crop[..., 2] == 7).all()


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5, 0.8])
@pytest.mark.parametrize("side", [40.0, 80.0, 120.0])
def test_a_fraction_of_a_pixel_shifts_the_crop_by_as_much(side: float, shift: float) -> None:
    steep = np.tile((np.arange(60) * 4).clip(0, 255).astype(np.uint8)[None, :, None], (160, 4, 3))[:, :60]
    crop = cut_squares(steep, squares((5 + shift, 10, side / 4)), size=int(side / 4))[0]
    np.testing.assert_allclose(crop[0, :, 0], (np.arange(int(side / 4)) + 5 + shift) * 4, atol=0.6)


@pytest.mark.parametrize(("side", "size"), [(60, 24), (96.4, 40), (130.7, 96), (171.3, 48)])
def test_shrinking_averages_the_area(side: float, size: int) -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (200, 220, 3), np.uint8), (0, 0), 1.0)
    crop = cut_squares(noise, squares((12.3, 9.6, side)), size=size)[0]
    difference = np.abs(crop - exact_average(noise, 12.3, 9.6, side, size))
    assert difference.mean() < 1.0
    naive = cut_squares(noise[::2, ::2], squares((6.15, 4.8, side / 2)), size=size)[0]  # every second pixel
    assert difference.mean() < 0.5 * np.abs(naive - exact_average(noise, 12.3, 9.6, side, size)).mean()


def test_a_huge_face_is_averaged_over_whole_pixels() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (400, 400, 3), np.uint8)
    crop = cut_squares(noise, squares((20.0, 30.0, 320.0)), size=64)[0]
    blocks = noise[30:350, 20:340].reshape(64, 5, 64, 5, 3).mean((1, 3))
    np.testing.assert_allclose(crop, blocks, atol=0.51)


def test_a_tiny_face_is_enlarged_smoothly(ramp: Pixels) -> None:
    crop = cut_squares(ramp, squares((50, 60, 8)), size=96)[0].astype(int)
    assert (np.diff(crop[..., 0], axis=1) >= 0).all()
    assert np.diff(crop[..., 0], axis=1).max() == 1
    assert (crop[0, 0, 0], crop[0, -1, 0]) == (50, 57) or (crop[0, 0, 0], crop[0, -1, 0]) == (50, 58)


@pytest.mark.parametrize("size", [20, 64])
@pytest.mark.parametrize(
    ("x", "y", "corner"),
    [(-40, -40, (0, 0)), (WIDTH - 40, HEIGHT - 40, (WIDTH - 1, HEIGHT - 1)), (-40, HEIGHT - 40, (0, HEIGHT - 1))],
)
def test_beyond_the_frame_its_last_pixels_are_repeated(
    ramp: Pixels, x: float, y: float, corner: tuple[int, int], size: int
) -> None:
    padded = cv2.copyMakeBorder(ramp, 100, 100, 100, 100, cv2.BORDER_REPLICATE)
    found = cut_squares(ramp, squares((x, y, 80)), size=size)[0]
    np.testing.assert_array_equal(found, cut_squares(padded, squares((x + 100, y + 100, 80)), size=size)[0])
    outer = found[0 if corner[1] == 0 else -1, 0 if corner[0] == 0 else -1]
    assert tuple(outer.tolist()) == (*corner, 7)


@pytest.mark.parametrize("side", [30.0, 500.0])
def test_a_square_far_outside_shows_the_nearest_corner(ramp: Pixels, side: float) -> None:
    crop = cut_squares(ramp, squares((5000, 5000, side), (-5000, -5000, side)), size=32)
    assert (crop[0] == (WIDTH - 1, HEIGHT - 1, 7)).all()
    assert (crop[1] == (0, 0, 7)).all()


def test_a_face_larger_than_a_one_pixel_frame_is_cut() -> None:
    crop = cut_squares(np.full((1, 1, 3), 9, np.uint8), squares((-5, -5, 11), (-200, -200, 401)), size=32)
    assert (crop == 9).all()


def test_crop_faces_cuts_the_squares_from_the_policy(ramp: Pixels) -> None:
    boxes = np.array([[30, 40, 90, 120], [100, 50, 150, 110]], np.float32)
    crops, where = crop_faces(ramp, boxes, policy=POLICY, size=48)
    assert crops.shape == (2, 48, 48, 3)
    np.testing.assert_array_equal(where, crop_squares(boxes, policy=POLICY))
    np.testing.assert_array_equal(crops, cut_squares(ramp, where, size=48))


def test_no_face_gives_no_crop(ramp: Pixels) -> None:
    crops, where = crop_faces(ramp, np.zeros((0, 4), np.float32), policy=POLICY, size=48)
    assert crops.shape == (0, 48, 48, 3)
    assert where.shape == (0, 4)
