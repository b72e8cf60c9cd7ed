"""Cuts are detected; pans, flashes, fades and dropped frames are not cuts."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from support.footage import decoded, portrait, posed

from monitor.analysis.scenes import SceneCuts
from monitor.types import Pixels


def landscape(seed: int, *, width: int = 480, height: int = 270) -> Pixels:
    """Random smooth blobs: each seed is another scene."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def cuts(frames: list[Pixels]) -> list[int]:
    scenes = SceneCuts()
    return [index for index, pixels in enumerate(frames) if scenes.is_cut(pixels)]


def test_each_change_of_scene_is_a_cut() -> None:
    scenes = [landscape(1), landscape(2), posed((300, 240, 200)), portrait(), landscape(3), portrait() // 4]
    frames = [scene for scene in scenes for _ in range(3)]
    assert cuts(frames) == [3, 6, 9, 12, 15]


def test_a_moving_face_is_not_a_cut() -> None:
    assert cuts([posed((100 + 30 * step, 200 + 10 * step, 120 + 8 * step)) for step in range(12)]) == []


@pytest.mark.parametrize("speed", [0.01, 0.03, 0.06, 0.1])
def test_a_pan_is_not_a_cut(speed: float) -> None:
    wide = landscape(4, width=1600)
    offsets = (np.arange(0, 1, speed) * 640).astype(int)[:14]
    assert len(offsets) > 8
    assert cuts([wide[:, x : x + 640] for x in offsets]) == []


@pytest.mark.parametrize(("gain", "lift"), [(1.0, 120), (2.0, 90), (0.2, 0), (1.0, -70), (0.0, 255), (0.0, 0)])
def test_a_flash_is_not_a_cut(gain: float, lift: float) -> None:
    scene = portrait()
    flash = np.clip(scene * gain + lift, 0, 255).astype(np.uint8)
    assert cuts([scene, scene, flash, scene, scene]) == []


def test_a_fade_is_not_a_cut_but_the_new_scene_is() -> None:
    out = [(portrait() * level).astype(np.uint8) for level in np.linspace(1, 0, 12)]
    black = [np.zeros_like(portrait())] * 5
    assert cuts(out + black + out[::-1]) == []
    other = [(landscape(5) * level).astype(np.uint8) for level in np.linspace(0.1, 1, 12)]
    found = cuts(out + black + other)
    assert len(found) == 1
    assert found[0] >= len(out + black)


def test_noise_in_the_dark_is_not_a_cut() -> None:
    rng = np.random.default_rng(0)
    assert cuts([rng.integers(0, 24, (270, 480, 3), np.uint8) for _ in range(20)]) == []


@pytest.mark.parametrize("shape", [(1, 1), (3, 2000), (2000, 3), (17, 31), (1080, 1920)])
def test_frames_of_any_size_are_accepted(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    scenes = SceneCuts()
    assert not scenes.is_cut(rng.integers(0, 256, (*shape, 3), np.uint8))
    scenes.is_cut(rng.integers(0, 256, (9, 16, 3), np.uint8))


def test_a_new_size_is_a_new_scene() -> None:
    """After a camera changes its resolution, earlier boxes fit no longer."""
    frames = [landscape(1)] * 3 + [landscape(1, width=960, height=540)] * 3 + [np.zeros((90, 160, 3), np.uint8)] * 2
    assert cuts(frames) == [3, 6]
    assert cuts([*frames, landscape(1, width=160, height=90), landscape(2, width=160, height=90)]) == [3, 6, 9]


def test_the_broadcast_is_cut_in_three_places(media: Path) -> None:
    frames = [pixels for _, pixels in decoded(media / "real" / "scene_cuts.mp4")]
    assert cuts(frames) == [20, 82, 211]  # found by eye
    third = frames[::3]
    assert [index * 3 for index in cuts(third)] == [21, 84, 213]


@pytest.mark.parametrize("name", ["webcam_ewon", "multiface_1080p", "talking_1008_frames"])
def test_continuous_takes_are_not_cut(media: Path, name: str) -> None:
    """One clip has a video game in the background, one a moving camera."""
    frames = [pixels for _, pixels in decoded(media / "real" / f"{name}.mp4", every=3, stop=240)]
    assert cuts(frames) == []
    assert len(frames) > 30
