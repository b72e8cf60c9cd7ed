from itertools import pairwise

import numpy as np
import pytest
from support.footage import portrait

from monitor.errors import ExperimentError
from monitor.lab.fakes.codecs import h264
from monitor.lab.fakes.perturbations import LEVELS, OURS, PERTURBATIONS, PUBLISHED, Perturbation, resized_and_back
from monitor.types import Pixels

grid = pytest.mark.parametrize("row", PERTURBATIONS.values(), ids=PERTURBATIONS)


def crop() -> Pixels:
    return np.ascontiguousarray(portrait()[20:244, 110:334])


def frame() -> Pixels:
    return np.ascontiguousarray(portrait()[:360])


def psnr(a: Pixels, b: Pixels) -> float:
    error = np.square(a.astype(float) - b).mean()
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def test_the_grid_has_the_published_seven_and_ours() -> None:
    published = {name for name, row in PERTURBATIONS.items() if row.origin == PUBLISHED}
    assert published == {"saturation", "contrast", "blocks", "noise", "blur", "pixelation", "h264"}
    assert {name for name, row in PERTURBATIONS.items() if row.origin == OURS} == PERTURBATIONS.keys() - published
    assert all(len(row.parameters) == len(LEVELS) for row in PERTURBATIONS.values())


@grid
class TestEveryRow:
    def test_severity_grows_with_the_level_on_crops_and_on_frames(self, row: Perturbation) -> None:
        for picture in (crop(), frame()):
            kept = picture.copy()
            quality = [psnr(row.apply(picture, level=level, seed=3), picture) for level in (0, *LEVELS)]
            assert quality[0] == float("inf")
            assert all(better > worse for better, worse in pairwise(quality)), quality
            assert quality[1] < 45
            assert np.array_equal(picture, kept)

    def test_shape_and_type_stay_even_of_odd_pictures(self, row: Perturbation) -> None:
        odd = np.ascontiguousarray(portrait()[:99, :75])
        changed = row.apply(odd, level=5, seed=0)
        assert changed.shape == odd.shape
        assert changed.dtype == np.uint8

    def test_the_same_seed_gives_the_same_bits(self, row: Perturbation) -> None:
        first, again, other = (row.apply(crop(), level=3, seed=seed) for seed in (5, 5, 6))
        assert np.array_equal(first, again)
        random = row.name in ("blocks", "noise", "low_light", "motion_blur")
        assert np.array_equal(first, other) != random

    @pytest.mark.parametrize("level", [-1, 6])
    def test_other_levels_are_refused(self, row: Perturbation, level: int) -> None:
        with pytest.raises(ExperimentError, match=rf"{row.name} has levels 0 \(none\) to 5, got {level}"):
            row.apply(crop(), level=level, seed=0)

    def test_a_clip_is_perturbed_like_its_frames(self, row: Perturbation) -> None:
        clip = np.stack([crop(), crop()[:, ::-1]])
        changed = row.apply_clip(clip, level=2, seed=7)
        assert changed.shape == clip.shape
        if row.name == "h264":
            assert np.array_equal(changed, h264(clip, crf=32))
        else:
            assert np.array_equal(changed[0], row.apply(clip[0], level=2, seed=7))
            assert np.array_equal(changed[1], row.apply(clip[1], level=2, seed=8))
        assert np.array_equal(row.apply_clip(clip, level=0, seed=7), clip)


class TestRows:
    def test_saturation_of_level_five_is_grey(self) -> None:
        grey = PERTURBATIONS["saturation"].apply(crop(), level=5, seed=0).astype(int)
        assert np.abs(grey[..., 0] - grey[..., 2]).max() <= 1

    def test_blocks_of_a_level_are_there_at_the_next(self) -> None:
        row = PERTURBATIONS["blocks"]
        some, more = (row.apply(crop(), level=level, seed=1) for level in (2, 3))
        hit = (some != crop()).any(axis=2)
        assert np.array_equal(some[hit], more[hit])

    def test_noise_has_the_published_variance(self) -> None:
        grey = np.full((128, 128, 3), 128, np.uint8)
        noisy = PERTURBATIONS["noise"].apply(grey, level=3, seed=0).astype(float) / 255
        luma = noisy @ (0.299, 0.587, 0.114)
        assert luma.var() == pytest.approx(0.005, rel=0.1)

    def test_low_light_is_darker_and_noisier(self) -> None:
        row = PERTURBATIONS["low_light"]
        flat = np.full((64, 64, 3), 120, np.uint8)
        light = [row.apply(flat, level=level, seed=0).astype(float) for level in (1, 3, 5)]
        means, noises = [one.mean() for one in light], [one.std() / one.mean() for one in light]
        assert means == sorted(means, reverse=True)
        assert noises == sorted(noises)
        assert means[-1] > 15

    def test_a_face_of_some_pixels_in_a_frame(self) -> None:
        small = resized_and_back(frame(), factor=0.25)
        assert small.shape == frame().shape
        assert psnr(small, frame()) < psnr(resized_and_back(frame(), factor=0.5), frame())
        assert np.array_equal(resized_and_back(frame(), factor=1.5), frame())
