from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.face_shards import pair_rows, write_faces

from monitor.classifiers.model_card import CropPolicy
from monitor.errors import DatasetError
from monitor.lab.datasets.faceset import FaceSet
from monitor.lab.evaluation.region_fakes import REGIONS, make_pairs, stream, to_images

CARD = SimpleNamespace(crop=CropPolicy(side_over_box_height=0.85, centre_below_box_centre_over_box_height=0.06))


class TestPairs:
    @pytest.fixture
    def faces(self, tmp_path: Path) -> FaceSet:
        return FaceSet.open(write_faces(tmp_path / "faces", pair_rows(12, split="val"), landmarks=True))

    def test_fakes_differ_from_their_reals_in_their_region_only(self, faces: FaceSet) -> None:
        classifier = SimpleNamespace(input_size=96, card=CARD)
        pairs = make_pairs(faces, classifier, limit=12, seed=2)  # type: ignore[arg-type]
        assert 8 <= len(pairs) <= 12
        assert set(pairs.regions) == set(REGIONS)
        change = (pairs.fakes - pairs.reals).abs().mean(1)
        inside = (change * pairs.masks).sum((1, 2)) / pairs.masks.sum((1, 2))
        assert inside.min() >= 0.005
        for row, region in enumerate(pairs.regions):
            rows, columns = torch.nonzero(pairs.masks[row], as_tuple=True)
            centre = (rows.float().mean() / 96, columns.float().mean() / 96)
            assert {"mouth": centre[0] > 0.6, "eyes": centre[0] < 0.55, "left_half": centre[1] < 0.5,
                    "right_half": centre[1] > 0.5}[region]  # fmt: skip
            assert change[row][pairs.masks[row] == 0].mean() < 0.2 * inside[row]
        assert ((pairs.masks == 0) | (pairs.masks == 1)).all()
        assert (pairs.masks * pairs.opposites).sum() == 0
        assert pairs.opposites.sum((1, 2)).min() > 0
        again = make_pairs(faces, classifier, limit=12, seed=2)  # type: ignore[arg-type]
        assert torch.equal(pairs.fakes, again.fakes)

    def test_without_real_crops_it_is_one_sentence(self, faces: FaceSet) -> None:
        with pytest.raises(DatasetError, match="no real crop"):
            make_pairs(faces.select(lambda face: face.label == 1), SimpleNamespace(input_size=96, card=CARD), limit=4)  # type: ignore[arg-type]

    def test_a_selection_keeps_rows_together(self, faces: FaceSet) -> None:
        pairs = make_pairs(faces, SimpleNamespace(input_size=96, card=CARD), limit=8)  # type: ignore[arg-type]
        some = pairs[np.array([2, 0])]
        assert len(some) == 2
        assert some.regions == (pairs.regions[2], pairs.regions[0])
        assert torch.equal(some.masks[1], pairs.masks[0])
        assert some.groups.tolist() == [pairs.groups[2], pairs.groups[0]]


def test_each_purpose_has_random_numbers_of_its_own() -> None:
    purposes = ("crops", "fakes", "maps", "order", "shuffles")
    seeds = {stream(purpose, seed, number=number) for purpose in purposes for seed in range(3) for number in range(3)}
    assert len(seeds) == 5 * 3 * 3
    assert stream("maps", 1) == stream("maps", 1)
    assert not seeds & {0, 1, 2}, "never the seed itself"
    torch.Generator().manual_seed(max(seeds))  # 64 bits are allowed


def test_pixels_become_images() -> None:
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    pixels[0, 1, 0] = (255, 51, 0)
    images = to_images(pixels)
    assert images.shape == (1, 3, 2, 2)
    assert images[0, :, 1, 0].tolist() == pytest.approx([1.0, 0.2, 0.0])
