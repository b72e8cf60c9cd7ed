from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from monitor.errors import ExperimentError
from monitor.lab.fakes.codecs import h264, jpeg
from monitor.lab.fakes.degradations import Degradation, flip

Faces = tuple[Tensor, Tensor]
SIZE = 96


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def harmless(n: int) -> Degradation:
    return Degradation.draw(n, size=SIZE, generator=seeded(0), strength=0.0)


class TestDrawing:
    def test_strength_zero_leaves_every_bit(self, faces: Faces) -> None:
        assert torch.equal(harmless(len(faces[0])).apply(faces[0]), faces[0])

    def test_at_full_strength_many_rows_are_left_alone_and_most_are_not(self) -> None:
        images = torch.rand(300, 3, 32, 32, generator=seeded(1))
        changed = (Degradation.draw(300, size=32, generator=seeded(0)).apply(images) != images).flatten(1).any(1)
        assert 0.6 < changed.float().mean() < 0.9

    def test_more_strength_does_more(self, faces: Faces) -> None:
        images = faces[0].repeat(10, 1, 1, 1)
        errors = [
            (Degradation.draw(120, size=SIZE, generator=seeded(2), strength=s).apply(images) - images).abs().mean()
            for s in (0.3, 1.0, 2.0)
        ]
        assert errors[0] < errors[1] < errors[2]

    @pytest.mark.parametrize("strength", [-0.1, 2.1])
    def test_strength_has_limits(self, strength: float) -> None:
        with pytest.raises(ExperimentError, match=r"from 0 \(none\) to 2"):
            Degradation.draw(1, size=SIZE, generator=seeded(0), strength=strength)


class TestApplying:
    def test_both_halves_of_a_pair_get_the_same(self, faces: Faces) -> None:
        """What is equal before is equal after, and a change in one corner stays near it."""
        images = faces[0]
        other = images.clone()
        other[:, :, 64:, 64:] = other[:, :, 64:, 64:].flip(2, 3)
        degradation = Degradation.draw(len(images), size=SIZE, generator=seeded(3))
        once, again, fake = (degradation.apply(pictures) for pictures in (images, images, other))
        assert torch.equal(once, again)
        assert torch.equal(once[..., :40, :40], fake[..., :40, :40])

    def test_a_row_is_degraded_alike_alone_and_in_company(self, faces: Faces) -> None:
        images = faces[0]
        degradation = Degradation.draw(len(images), size=SIZE, generator=seeded(4), strength=1.5)
        together = degradation.apply(images)
        rows = torch.tensor([7, 2, 5])
        assert len(degradation[rows]) == 3
        assert torch.allclose(degradation[rows].apply(images[rows]), together[rows], atol=2 / 255)
        assert torch.allclose(degradation[2:6].apply(images[2:6]), together[2:6], atol=2 / 255)

    def test_range_and_input_are_kept(self, faces: Faces) -> None:
        images, kept = faces[0], faces[0].clone()
        for seed in range(10):
            made = Degradation.draw(len(images), size=SIZE, generator=seeded(seed), strength=2.0).apply(images)
            assert made.isfinite().all()
            assert made.min() >= 0
            assert made.max() <= 1
        assert torch.equal(images, kept)

    def test_the_same_seed_gives_the_same_bits(self, faces: Faces) -> None:
        first, again = (Degradation.draw(12, size=SIZE, generator=seeded(6)).apply(faces[0]) for _ in range(2))
        assert torch.equal(first, again)


class TestParts:
    def test_h264_is_the_codec_and_predicts_from_a_moved_key_frame(self, faces: Faces) -> None:
        crf = torch.tensor([0.0, 34.0, 34.0])
        pan = torch.tensor([[0, 0], [0, 0], [2, -1]])
        images = faces[0][:1].repeat(3, 1, 1, 1)
        filmed = replace(harmless(3), crf=crf, pan=pan).apply(images)
        picture = (images[0] * 255).round().byte().permute(1, 2, 0).numpy()
        expected = h264(np.stack((picture, picture)), crf=34)[1]
        assert torch.equal(filmed[0], images[0])
        assert torch.equal((filmed[1] * 255).round().byte().permute(1, 2, 0), torch.from_numpy(expected))
        assert not torch.equal(filmed[2], filmed[1])
        assert (filmed[2] - images[2]).abs().mean() < 0.05

    def test_jpeg_is_the_codec(self, faces: Faces) -> None:
        quality = torch.tensor([0.0, 30.0, 80.0])
        aligned, moved = (
            replace(harmless(3), quality=quality, grid=torch.tensor(grid)).apply(faces[0][:3])
            for grid in ((0, 0), (3, 6))
        )
        assert torch.equal(aligned[0], faces[0][0])
        assert torch.equal(aligned[1:], jpeg(faces[0][1:3], quality[1:]))
        assert torch.equal(moved[0], faces[0][0])
        assert not torch.equal(moved[1:], aligned[1:])
        assert (moved - aligned).abs().mean() < 0.02

    def test_blocks_begin_where_the_grid_says(self, faces: Faces) -> None:
        """What was compressed on a grid changes little on the same grid, and more on another."""

        def compressed(images: Tensor, *grid: int) -> Tensor:
            return replace(harmless(4), quality=torch.full((4,), 40.0), grid=torch.tensor(grid)).apply(images)

        once = compressed(faces[0][:4], 2, 5)
        again, elsewhere = ((compressed(once, *grid) - once).abs().mean() for grid in ((2, 5), (0, 1)))
        assert again < 0.5 * elsewhere

    def test_gamma_and_colour_do_what_they_say(self, faces: Faces) -> None:
        images = faces[0][:2]
        brighter = replace(harmless(2), gamma=torch.tensor([0.5, 1.0])).apply(images)
        assert torch.allclose(brighter[0], images[0].sqrt(), atol=1e-6)
        assert torch.equal(brighter[1], images[1])
        redder = replace(harmless(2), offsets=torch.tensor([[0.1, 0, 0], [0, 0, 0]])).apply(images)
        assert torch.allclose(redder[0, 0], (images[0, 0] + 0.1).clamp(max=1), atol=1e-6)
        assert torch.equal(redder[0, 1:], images[0, 1:])

    def test_blur_keeps_the_mean_and_takes_the_detail(self, faces: Faces) -> None:
        images = faces[0][:2]
        soft = replace(harmless(2), blur=torch.tensor([0.0, 2.0])).apply(images)
        assert torch.equal(soft[0], images[0])
        assert (soft[1].mean() - images[1].mean()).abs() < 0.01
        assert soft[1].diff(dim=2).square().mean() < 0.5 * images[1].diff(dim=2).square().mean()

    def test_motion_smears_along_its_stroke_only(self) -> None:
        dot = torch.zeros(1, 3, SIZE, SIZE)
        dot[:, :, 40:44, 40:44] = 1
        smeared = replace(harmless(1), motion=torch.tensor([[8.0, 0.0]])).apply(dot)[0, 0]
        assert (smeared > 0.01).any(0).sum() >= 11
        assert (smeared > 0.01).any(1).sum() == 4
        assert smeared.sum() == pytest.approx(16, abs=0.01)

    @pytest.mark.parametrize("enlarging", [0, 1, 2])
    def test_rescaling_loses_detail_with_every_kernel(self, faces: Faces, enlarging: int) -> None:
        images = faces[0][:1]
        halved = replace(harmless(1), side=torch.tensor([48.0]), kernels=torch.tensor([[1, enlarging]]))
        made = halved.apply(images)
        assert (made.mean() - images.mean()).abs() < 0.01
        assert 0.001 < (made - images).abs().mean() < 0.05

    def test_noise_has_the_strength_that_was_asked(self) -> None:
        grey = torch.full((1, 3, SIZE, SIZE), 0.25)
        grain = torch.randn(1, 3, SIZE, SIZE, generator=seeded(0))
        none = harmless(1)
        noisy = replace(none, grain=grain, grain_row=torch.tensor([0]))
        white = replace(noisy, noise=torch.tensor([[0.03, 0.0]])).apply(grey)
        shot = replace(noisy, noise=torch.tensor([[0.0, 0.03]])).apply(grey)
        assert white.std() == pytest.approx(0.03, rel=0.05)
        assert shot.std() == pytest.approx(0.015, rel=0.05)

    def test_drawn_grain_has_unit_variance(self) -> None:
        grain = Degradation.draw(200, size=32, generator=seeded(0)).grain
        assert len(grain) > 20
        assert torch.allclose(grain.std((1, 2, 3)), torch.ones(()), atol=0.12)

    def test_an_occluder_hides_a_small_part(self, faces: Faces) -> None:
        images = faces[0][:1]
        disc = torch.tensor([[48.0, 48.0, 8.0, 8.0, 0.3, 2.0, 0.1, 0.9, 0.1]])
        made = replace(harmless(1), occluder=disc).apply(images)
        assert torch.allclose(made[0, :, 48, 48], disc[0, 6:])
        changed = (made != images).any(1).float().mean()
        assert 0.015 < changed < 0.03


class TestFlip:
    def test_chosen_rows_are_mirrored_with_all_that_belongs_to_them(self, faces: Faces) -> None:
        images, landmarks = faces[0][:2], faces[1][:2]
        rows = torch.tensor([True, False])
        turned, points = flip(images, landmarks, rows=rows)
        assert torch.equal(turned[0], images[0].flip(2))
        assert torch.equal(turned[1], images[1])
        assert torch.equal(points[1], landmarks[1])
        assert points[0, 0, 0] < points[0, 1, 0]
        back, again = flip(turned, points, rows=rows)
        assert torch.equal(back, images)
        assert torch.allclose(again, landmarks)
