import pytest
import torch
from torch import Tensor

from monitor.errors import ExperimentError
from monitor.lab.datasets.faceset import USUAL_LANDMARKS
from monitor.lab.fakes.hulls import REGIONS, SHAPES, face_masks, region_masks

SIZE = 96


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def canonical(n: int, size: int = SIZE) -> Tensor:
    return (torch.tensor(USUAL_LANDMARKS) * size).repeat(n, 1, 1)


def turned(landmarks: Tensor, degrees: float, size: int = SIZE) -> Tensor:
    angle = torch.deg2rad(torch.tensor(degrees))
    rotation = torch.stack((torch.stack((angle.cos(), angle.sin())), torch.stack((-angle.sin(), angle.cos()))))
    return (landmarks - size / 2) @ rotation + size / 2


def middle(masks: Tensor) -> Tensor:
    """(N, 2) x y of the centre of gravity."""
    axis = torch.arange(masks.shape[-1]) + 0.5
    mass = masks.sum((1, 2, 3))
    return torch.stack(((masks.sum((1, 2)) * axis).sum(1), (masks.sum((1, 3)) * axis).sum(1)), dim=1) / mass[:, None]


class TestFaceMasks:
    def test_masks_are_soft_full_inside_and_zero_far_away(self) -> None:
        masks = face_masks(canonical(200), size=SIZE, generator=seeded(0))
        assert masks.shape == (200, 1, SIZE, SIZE)
        assert masks.dtype == torch.float32
        assert masks.min() == 0
        assert masks.amax((1, 2, 3)).sub(1).abs().max() < 1e-6
        assert ((masks > 0.02) & (masks < 0.98)).flatten(1).any(1).all()
        small = face_masks(canonical(200, SIZE // 2) + SIZE / 4, size=SIZE, generator=seeded(0))
        assert (small[..., :4, :] == 0).all()
        assert (small[..., :4] == 0).all()

    def test_the_same_seed_gives_the_same_masks_and_another_others(self) -> None:
        first, again, other = (face_masks(canonical(8), size=SIZE, generator=seeded(seed)) for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_area_and_width_of_the_edge_vary_widely(self) -> None:
        masks = face_masks(canonical(300), size=SIZE, generator=seeded(3))
        areas = masks.mean((1, 2, 3))
        assert areas.quantile(0.1) < 0.12
        assert areas.quantile(0.9) > 0.45
        edge = ((masks > 0.05) & (masks < 0.95)).float().sum((1, 2, 3)) / (masks > 0.05).float().sum((1, 2, 3))
        assert edge.quantile(0.9) > 3 * edge.quantile(0.1)

    @pytest.mark.parametrize("shape", SHAPES)
    def test_a_shape_varies_and_yet_stays_where_it_belongs(self, shape: str) -> None:
        masks = face_masks(canonical(64), size=SIZE, generator=seeded(4), shapes=[shape])
        assert (masks[0] - masks[1]).abs().mean() > 0.001
        centres = middle(masks)
        assert (centres - centres.median(0).values).abs().max() < 0.2 * SIZE

    def test_shapes_cover_the_landmarks_that_name_them(self) -> None:
        points = canonical(1)[0].long()

        def at(shape: str) -> list[float]:
            mean = face_masks(canonical(64), size=SIZE, generator=seeded(6), shapes=[shape]).mean(0)[0]
            return [float(mean[y, x]) for x, y in points.tolist()]

        left_eye, right_eye, nose, left_mouth, right_mouth = range(5)
        assert min(at("inner_face")) > 0.7
        assert min(at("eyes")[:2]) > 0.8
        assert max(at("eyes")[left_mouth:]) < 0.05
        assert min(at("mouth")[left_mouth:]) > 0.3
        assert max(at("mouth")[:2]) < 0.01
        assert at("left_half")[left_eye] > 0.8
        assert at("left_half")[right_eye] < 0.05
        assert at("right_half")[right_mouth] > 0.8
        assert at("nose")[nose] > 0.8
        both = at("eyes_and_mouth")
        assert min(both[left_eye], both[right_eye], both[left_mouth]) > 0.3

    @pytest.mark.parametrize("degrees", [-40.0, 25.0, 170.0])
    def test_masks_turn_with_the_face(self, degrees: float) -> None:
        landmarks = canonical(32, SIZE // 2) + SIZE / 4
        upright = middle(face_masks(landmarks, size=SIZE, generator=seeded(7), shapes=["mouth"]))
        tilted = middle(face_masks(turned(landmarks, degrees), size=SIZE, generator=seeded(7), shapes=["mouth"]))
        assert (turned(upright, degrees) - tilted).mean(0).abs().max() < 1.0  # each is bent in its own way

    def test_landmarks_without_extent_still_give_finite_masks(self) -> None:
        masks = face_masks(torch.full((8, 5, 2), 40.0), size=SIZE, generator=seeded(8))
        assert masks.isfinite().all()
        assert masks.amax() <= 1

    def test_an_unknown_shape_is_refused_with_the_names_of_the_known(self) -> None:
        with pytest.raises(ExperimentError, match=r"no face shape ear.*full_face"):
            face_masks(canonical(1), size=SIZE, generator=seeded(0), shapes=["mouth", "ear"])
        with pytest.raises(ExperimentError, match="none was named"):
            face_masks(canonical(1), size=SIZE, generator=seeded(0), shapes=[])


class TestRegionMasks:
    def test_regions_are_binary_fixed_and_hold_their_landmarks(self) -> None:
        masks = region_masks(canonical(2), size=SIZE)
        assert tuple(masks) == REGIONS
        for mask in masks.values():
            assert mask.shape == (2, 1, SIZE, SIZE)
            assert set(mask.unique().tolist()) == {0.0, 1.0}
        points = canonical(1)[0].long().tolist()
        inside = {name: [bool(mask[0, 0, y, x]) for x, y in points] for name, mask in masks.items()}
        assert inside["face"] == [True] * 5
        assert inside["eyes"] == [True, True, False, False, False]
        assert inside["mouth"][:3] == [False, False, False]
        assert inside["mouth"][3:] == [True, True]
        assert inside["left_half"][0]
        assert not inside["left_half"][1]
        assert inside["right_half"][1]
        assert not inside["right_half"][0]

    def test_halves_do_not_overlap_and_make_the_face(self) -> None:
        masks = region_masks(canonical(1), size=SIZE)
        assert (masks["left_half"] * masks["right_half"]).sum() == 0
        halves = masks["left_half"] + masks["right_half"]
        assert (halves - masks["face"]).abs().mean() < 0.03

    def test_an_unknown_region_is_refused(self) -> None:
        with pytest.raises(ExperimentError, match="no face region hat; choose from mouth"):
            region_masks(canonical(1), size=SIZE, regions=["hat"])
