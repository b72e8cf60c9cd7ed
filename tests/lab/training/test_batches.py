from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from monitor.lab.training.batches import Batch, augmented, generator
from monitor.lab.training.experiment import Crops, Experiment
from monitor.lab.training.pairs import PairBatch, PairLoader, open_streams

CPU = torch.device("cpu")


@pytest.fixture
def pairs(roots: list[Path], experiment: Callable[..., Experiment]) -> PairBatch:
    loader = PairLoader(open_streams(experiment().data, roots=roots, seed=1), workers=1)
    batch = next(loader.batches(iter([(0, 16)])))
    loader.close()
    return batch


def differing(batch: Batch) -> torch.Tensor:
    """(P, 1, S, S) where the halves of each pair differ."""
    real, fake = batch.images.chunk(2)
    return (real - fake).abs().amax(1, keepdim=True) > 0


def test_the_same_seed_gives_the_same_batch(pairs: PairBatch, experiment: Callable[..., Experiment]) -> None:
    one, same, other = (augmented(pairs, experiment(), size=48, seed=seed) for seed in ((1, 5), (1, 5), (1, 6)))
    assert torch.equal(one.images, same.images)
    assert not torch.equal(one.images, other.images)


def test_shapes_labels_and_range(pairs: PairBatch, experiment: Callable[..., Experiment]) -> None:
    batch = augmented(pairs, experiment(), size=48, seed=(1,))
    assert batch.images.shape == (32, 3, 48, 48)
    assert batch.labels.tolist() == [0.0] * 16 + [1.0] * 16
    assert batch.images.min() >= (0 - 127.5) / 128 - 1e-4
    assert batch.images.max() <= (255 - 127.5) / 128 + 1e-4


def test_pictures_are_bytes_as_those_of_the_live_path(pairs: PairBatch, experiment: Callable[..., Experiment]) -> None:
    batch = augmented(pairs, experiment(), size=48, seed=(1,))
    grey = batch.images * 128 + 127.5
    torch.testing.assert_close(grey, grey.round(), atol=1e-4, rtol=0)


def test_every_pseudo_fake_is_altered_and_only_in_part(pairs: PairBatch, experiment: Callable[..., Experiment]) -> None:
    batch = augmented(pairs, experiment(degradation=0.0), size=64, seed=(2,))
    altered = differing(batch)[pairs.pseudo].flatten(1)
    assert altered.any(1).all()
    assert not altered.all(1).any()


def test_both_halves_of_a_pair_are_degraded_alike(pairs: PairBatch, experiment: Callable[..., Experiment]) -> None:
    same = replace(pairs, fake=pairs.real, pseudo=torch.zeros_like(pairs.pseudo))
    batch = augmented(same, experiment(degradation=2.0), size=64, seed=(3,))
    clean = augmented(same, experiment(degradation=0.0), size=64, seed=(3,))
    assert not differing(batch).any()
    assert not torch.equal(batch.images, clean.images), "something did happen to them"


def test_crops_are_as_large_as_the_experiment_says(pairs: PairBatch, experiment: Callable[..., Experiment]) -> None:
    """A horizontal ramp shows how much of the stored crop (0.85 or 1.0 box heights) is seen."""
    ramp = torch.arange(256, dtype=torch.uint8).expand(16, 3, 256, 256)
    same = replace(pairs, real=ramp, fake=ramp, pseudo=torch.zeros_like(pairs.pseudo))
    crops = Crops(scale=(0.6, 0.6), shift=0.0, side=0.6)
    batch = augmented(same, experiment(degradation=0.0, crops=crops), size=64, seed=(4,))
    rows = batch.images[:16, 0, 32] * 128 + 127.5
    seen = (rows.amax(1) - rows.amin(1)) * 64 / 63
    torch.testing.assert_close(seen, 256 * 0.6 / pairs.side, atol=2.0, rtol=0)


def test_crops_lie_where_validation_and_the_live_path_cut_them(
    pairs: PairBatch, experiment: Callable[..., Experiment]
) -> None:
    """A vertical ramp shows the middle of the crop: 0.1 box heights below a square that was centred on the box."""
    ramp = torch.arange(256, dtype=torch.uint8)[:, None].expand(16, 3, 256, 256)
    sides, centres = torch.full((16,), 1.3), torch.zeros(16)
    stored = replace(pairs, real=ramp, fake=ramp, side=sides, centre=centres, pseudo=torch.zeros_like(pairs.pseudo))
    crops = Crops(scale=(0.8, 0.8), shift=0.0, side=0.8, centre=0.1)
    batch = augmented(stored, experiment(degradation=0.0, crops=crops), size=64, seed=(4,))
    middles = batch.images[:16].mean((1, 2, 3)) * 128 + 127.5
    torch.testing.assert_close(middles, torch.full((16,), 127.5 + 0.1 * 256 / 1.3), atol=0.7, rtol=0)


def test_generators_for_different_purposes_are_unrelated() -> None:
    drawn = {
        tuple(torch.rand(3, generator=generator(CPU, *seed)).tolist())
        for seed in ((0,), (1,), (0, 0), (0, 1), (1, 0), (1, 1), (2, 0, 1), (2, 1, 0))
    }
    assert len(drawn) == 8
    torch.testing.assert_close(
        torch.rand(4, generator=generator(CPU, 3, 4)), torch.rand(4, generator=generator(CPU, 3, 4)), atol=0, rtol=0
    )


def test_covered_and_grey_pairs_are_so_in_both_halves(pairs: PairBatch, experiment: Callable[..., Experiment]) -> None:
    same = replace(pairs, fake=pairs.real, pseudo=torch.zeros_like(pairs.pseudo))
    plain, changed = (
        augmented(same, experiment(degradation=0.0, covered=share, grey=share), size=64, seed=(3,))
        for share in (0.0, 1.0)
    )
    assert not differing(changed).any()
    assert (changed.images.amax(1) - changed.images.amin(1)).max() < 1e-4
    luma = (plain.images * torch.tensor((0.299, 0.587, 0.114))[:, None, None]).sum(1)
    covered = (changed.images[:, 0] - luma).abs() > 0.05
    assert (covered.flatten(1).float().mean(1) > 0.02).float().mean() > 0.6
