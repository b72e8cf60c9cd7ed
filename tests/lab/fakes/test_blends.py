from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from monitor.errors import ExperimentError
from monitor.lab.fakes.autoencoders import Autoencoders
from monitor.lab.fakes.blends import KINDS, Blended, cross_blended, decoded, neural, pseudo_fakes, self_blended

Faces = tuple[Tensor, Tensor]
Maker = Callable[..., Blended]
MAKERS: tuple[Maker, ...] = (self_blended, cross_blended, decoded)
makers = pytest.mark.parametrize("make", MAKERS)
SHARES = {"self_blended": 2.0, "cross_blended": 1.0, "decoded": 1.0}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@makers
class TestEveryKind:
    def test_a_fake_equals_its_original_outside_the_mask_and_differs_inside(self, make: Maker, faces: Faces) -> None:
        images, landmarks = faces
        for seed in range(6):
            made = make(images, landmarks, generator=seeded(seed))
            difference = (made.images - images).abs().amax(1, keepdim=True)
            assert (difference[made.masks == 0] == 0).all()
            inside = made.masks > 0.9 * made.masks.amax((1, 2, 3), keepdim=True)
            mean = (difference * inside).sum((1, 2, 3)) / inside.sum((1, 2, 3))
            assert mean.min() > 0.2 / 255
            assert mean.median() > 2 / 255

    def test_shapes_and_ranges(self, make: Maker, faces: Faces) -> None:
        images, landmarks = faces
        kept = images.clone()
        made = make(images, landmarks, generator=seeded(0))
        assert torch.equal(images, kept)
        assert made.images.shape == images.shape
        assert made.masks.shape == (len(images), 1, *images.shape[2:])
        for values in (made.images, made.masks):
            assert values.dtype == torch.float32
            assert values.isfinite().all()
            assert values.min() >= 0
            assert values.max() <= 1

    def test_the_same_seed_gives_the_same_bits(self, make: Maker, faces: Faces) -> None:
        first, again, other = (make(*faces, generator=seeded(seed)) for seed in (3, 3, 4))
        assert torch.equal(first.images, again.images)
        assert torch.equal(first.masks, again.masks)
        assert not torch.equal(first.images, other.images)

    def test_black_white_and_noise_stay_finite(self, make: Maker, faces: Faces) -> None:
        landmarks = faces[1][:3]
        images = torch.stack(
            (torch.zeros(3, 96, 96), torch.ones(3, 96, 96), torch.rand(3, 96, 96, generator=seeded(1)))
        )
        made = make(images, landmarks, generator=seeded(0))
        assert made.images.isfinite().all()
        assert made.images.min() >= 0
        assert made.images.max() <= 1

    def test_masks_are_weights_of_several_blend_ratios(self, make: Maker, faces: Faces) -> None:
        peaks = {
            round(float(peak), 2)
            for seed in range(8)
            for peak in make(*faces, generator=seeded(seed)).masks.amax((1, 2, 3))
        }
        assert {0.5, 0.75, 1.0} <= peaks <= {0.25, 0.5, 0.75, 1.0}


class TestSelfBlended:
    def test_some_insides_are_sharper_and_some_softer_than_the_outside(self, faces: Faces) -> None:
        images, landmarks = faces

        def detail(pictures: Tensor, masks: Tensor) -> Tensor:
            steps = (pictures.diff(dim=3)[..., 1:, :] ** 2 + pictures.diff(dim=2)[..., 1:] ** 2).mean(1, keepdim=True)
            solid = (masks > 0.9)[..., 1:, 1:]
            return (steps * solid).sum((1, 2, 3)) / solid.sum((1, 2, 3)).clamp(min=1)

        ratios = []
        for seed in range(8):
            made = self_blended(images, landmarks, generator=seeded(seed))
            solid = (made.masks > 0.9).flatten(1).sum(1) > 200
            ratios.append((detail(made.images, made.masks) / detail(images, made.masks))[solid])
        ratio = torch.cat(ratios)
        assert len(ratio) > 20
        assert ratio.quantile(0.15) < 0.8
        assert ratio.quantile(0.85) > 1.15


class TestCrossBlended:
    def test_the_donor_is_another_row_aligned_and_colour_matched(self, faces: Faces) -> None:
        images, landmarks = faces
        bright, dark = images[:1] * 0.5 + 0.5, images[:1] * 0.5
        made = cross_blended(torch.cat((bright, dark)), landmarks[:1].repeat(2, 1, 1), generator=seeded(2))
        solid = made.masks > 0.95 * made.masks.amax((2, 3), keepdim=True)
        for row, original in enumerate((bright, dark)):
            difference = (made.images[row] - original[0])[solid[row].expand(3, -1, -1)]
            assert difference.mean().abs() < 0.12  # not matched, it is 0.5

    def test_one_row_has_no_donor(self, faces: Faces) -> None:
        images, landmarks = faces
        with pytest.raises(ExperimentError, match="at least two faces"):
            cross_blended(images[:1], landmarks[:1], generator=seeded(0))

    def test_donors_look_at_the_same_side(self, faces: Faces) -> None:
        """Six copies of a face and six of its mirror image, landmarks unknown: each gets its own kind."""
        face = faces[0][:1] * torch.linspace(0.3, 1, 96)  # lit from the right
        n = 6
        tint = 0.8 + 0.2 * torch.rand(2 * n, 3, 1, 1, generator=seeded(0))
        images = torch.cat((face.repeat(n, 1, 1, 1), face.flip(3).repeat(n, 1, 1, 1))) * tint
        made = cross_blended(images, faces[1][:1].repeat(2 * n, 1, 1), generator=seeded(0))
        assert (made.images - images).abs().amax((1, 2, 3)).max() < 0.35  # of the mirror image, 0.6 and more

    def test_a_turned_and_shrunk_copy_as_donor_gives_the_face_back(self, faces: Faces) -> None:
        """The same face, rotated by 90 degrees, is turned back onto itself by its landmarks."""
        images, landmarks = faces
        image, points = images[:1], landmarks[:1]
        rotated = image.rot90(1, (2, 3))
        moved = torch.stack((points[..., 1], 96 - points[..., 0]), dim=2)
        errors = []
        for seed in range(6):
            made = cross_blended(torch.cat((image, rotated)), torch.cat((points, moved)), generator=seeded(seed))
            errors.append((made.images[0] - image[0]).abs().mean())
        assert max(errors) < 0.02


class TestNeural:
    def test_inside_lies_what_an_autoencoder_made_and_outside_the_original(
        self, faces: Faces, autoencoders: Autoencoders
    ) -> None:
        images, landmarks = faces
        whole = 0
        for seed in range(4):
            made = neural(images, landmarks, generator=seeded(seed), autoencoders=autoencoders)
            difference = (made.images - images).abs().amax(1, keepdim=True)
            assert (difference[made.masks == 0] == 0).all()
            assert (difference.amax((1, 2, 3)) > 0.05).all()
            whole += int((made.masks == 1).flatten(1).all(1).sum())
        assert 8 < whole < 32  # of 48

    def test_without_autoencoders_there_are_none(self, faces: Faces) -> None:
        with pytest.raises(ExperimentError, match="need trained autoencoders"):
            pseudo_fakes(*faces, generator=seeded(0), shares={"neural": 1.0})

    def test_rows_are_drawn_by_the_share(self, faces: Faces, autoencoders: Autoencoders) -> None:
        images, landmarks = faces
        shares = {"self_blended": 0.5, "neural": 0.5}
        made = pseudo_fakes(images, landmarks, generator=seeded(2), shares=shares, autoencoders=autoencoders)
        assert 0 < (made.masks == 1).flatten(1).all(1).sum() < len(images)


class TestDecoded:
    def test_detail_is_lost_inside(self, faces: Faces) -> None:
        images, landmarks = faces
        lost = []
        for seed in range(4):
            made = decoded(images, landmarks, generator=seeded(seed))
            solid = (made.masks > 0.99)[..., 1:]
            before, after = ((p.diff(dim=3) ** 2).mean(1, keepdim=True)[solid].mean() for p in (images, made.images))
            lost.append(float(after / before))
        assert max(lost) < 0.9


class TestMixture:
    def test_shares_are_kept_and_every_row_is_changed(self, faces: Faces) -> None:
        made = pseudo_fakes(*faces, generator=seeded(0), shares=SHARES)
        assert (made.masks.amax((1, 2, 3)) > 0).all()
        changed = (made.images != faces[0]).flatten(1).any(1)
        assert changed.all()
        difference = (made.images - faces[0]).abs().amax(1, keepdim=True)
        assert (difference[made.masks == 0] == 0).all()

    def test_one_kind_alone_is_that_kind(self, faces: Faces) -> None:
        for kind, make in zip(KINDS[:3], MAKERS, strict=True):
            mixed, alone = seeded(9), seeded(9)
            torch.rand(len(faces[0]), 1, generator=alone)  # the draw of the kinds
            expected = make(*faces, generator=alone)
            made = pseudo_fakes(*faces, generator=mixed, shares={kind: 1.0})
            assert torch.equal(made.images, expected.images)
            assert torch.equal(made.masks, expected.masks)

    def test_the_same_seed_gives_the_same_bits(self, faces: Faces) -> None:
        first, again = (pseudo_fakes(*faces, generator=seeded(3), shares=SHARES) for _ in range(2))
        assert torch.equal(first.images, again.images)
        assert torch.equal(first.masks, again.masks)

    def test_only_chosen_rows_are_made_and_the_others_are_donors(self, faces: Faces) -> None:
        images, landmarks = faces
        rows = torch.tensor([5, 2])
        made = pseudo_fakes(images, landmarks, generator=seeded(1), shares={"cross_blended": 1.0}, rows=rows)
        assert made.images.shape == (2, 3, 96, 96)
        difference = (made.images - images[rows]).abs().amax(1, keepdim=True)
        assert (difference[made.masks == 0] == 0).all()
        assert (difference * made.masks).amax((1, 2, 3)).min() > 0.01
        none = pseudo_fakes(images, landmarks, generator=seeded(1), shares=SHARES, rows=rows[:0])
        assert len(none.images) == 0

    def test_one_face_alone_is_never_cross_blended(self, faces: Faces) -> None:
        images, landmarks = faces[0][:1], faces[1][:1]
        mostly_cross = {"cross_blended": 100.0, "decoded": 1.0}
        made = pseudo_fakes(images, landmarks, generator=seeded(0), shares=mostly_cross)
        expected = pseudo_fakes(images, landmarks, generator=seeded(0), shares={"decoded": 1.0})
        assert torch.equal(made.images, expected.images)
        with pytest.raises(ExperimentError, match="one face alone has no donor"):
            pseudo_fakes(images, landmarks, generator=seeded(0), shares={"cross_blended": 1.0})

    @pytest.mark.parametrize(
        ("shares", "words"),
        [
            ({"swapped": 1.0}, "no pseudo-fake called swapped; choose from self_blended"),
            ({"decoded": -1.0}, "must be >= 0"),
            ({}, "not all 0"),
        ],
    )
    def test_shares_without_sense_are_refused(self, faces: Faces, shares: dict[str, float], words: str) -> None:
        with pytest.raises(ExperimentError, match=words):
            pseudo_fakes(*faces, generator=seeded(0), shares=shares)
