from types import SimpleNamespace

import numpy as np
import pytest
import torch

from monitor.classifiers.model_card import CropPolicy, InputFormat
from monitor.errors import UsageError
from monitor.lab.evaluation.faithfulness import (
    STEPS,
    Explained,
    Explainer,
    candidate_maps,
    contrast,
    deletion_curve,
    energy_ratio,
    means,
    measure,
    rank_correlation,
)
from monitor.lab.evaluation.region_fakes import REGIONS, Pairs

SIZE = 64
CARD = SimpleNamespace(
    id="toy",
    input=InputFormat(size=96, channels="RGB", mean=127.5, std=127.5, resize="area"),
    crop=CropPolicy(side_over_box_height=0.85, centre_below_box_centre_over_box_height=0.06),
)


class Toy(torch.nn.Module):
    """Evidence is the brightness of each of ``cells`` x ``cells``, above grey and times ``gain``; a linear network."""

    def __init__(self, cells: int = 8, gain: float = 10.0) -> None:
        super().__init__()
        self.mix = torch.nn.Conv2d(3, 4, 1)
        self.out = torch.nn.Conv2d(4, 1, 1, bias=False)
        self.cells = cells
        with torch.no_grad():
            self.mix.weight.fill_(gain / 12)
            self.mix.bias.zero_()
            self.out.weight.copy_(torch.tensor([2.0, 1.0, 1.0, 0.0]).view(1, 4, 1, 1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        maps = torch.nn.functional.adaptive_avg_pool2d(self.out(self.mix(x)), self.cells).squeeze(1)
        return maps.mean((1, 2)), maps


def explainer(**others: float) -> Explainer:
    return Explainer(SimpleNamespace(input_size=SIZE, card=CARD), module=Toy(**others))  # type: ignore[arg-type]


def bright_pairs(n: int = 16) -> Pairs:
    """A dark ramp with some noise, and a bright square in one of four corners."""
    axis = torch.arange(SIZE) / SIZE
    noise = 0.1 + 0.15 * axis + 0.1 * axis[:, None]
    noise = noise + 0.02 * torch.rand(n, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    masks, opposites = torch.zeros(n, SIZE, SIZE), torch.zeros(n, SIZE, SIZE)
    for row in range(n):
        y, x = (row % 4 // 2) * 40, (row % 2) * 40
        masks[row, y : y + 24, x : x + 24] = 1
        opposites[row, y : y + 24, 40 - x : 64 - x] = 1
    fakes = noise + 0.5 * masks[:, None]
    regions = tuple(REGIONS[row % 4] for row in range(n))
    return Pairs(noise, fakes, masks, opposites, regions, np.arange(n))


class TestMeasures:
    def test_energy_is_that_of_the_hand(self) -> None:
        maps = torch.tensor([[[3.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])
        masks = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]).expand(3, 2, 2)
        found = energy_ratio(maps, masks)
        assert found[:2].tolist() == [3.0, 1.0]  # three quarters of the energy in a quarter of the area; uniform
        assert np.isnan(found[2])

    def test_contrast_cannot_be_won_by_the_centre(self) -> None:
        pairs = bright_pairs()
        maps = candidate_maps(explainer()(pairs.fakes), pairs.fakes, seed=0)
        assert contrast(maps["centre"], pairs) == pytest.approx(0.5, abs=1e-5)
        assert contrast(maps["evidence"], pairs).min() > 0.9

    def test_rank_correlation_is_spearmans(self) -> None:
        generator = torch.Generator().manual_seed(4)
        some, others = (torch.randn(5, 3, 4, generator=generator) for _ in range(2))
        ranks = [maps.flatten(1).argsort(dim=1).argsort(dim=1) for maps in (some, others)]
        expected = 1 - 6 * ((ranks[0] - ranks[1]) ** 2).sum(1) / (12 * (12**2 - 1))
        assert rank_correlation(some, others) == pytest.approx(expected.numpy(), abs=1e-6)
        assert rank_correlation(some, 2 * some + 1) == pytest.approx(1.0)
        assert rank_correlation(some, -some) == pytest.approx(-1.0)

    def test_tied_cells_share_a_rank_and_a_constant_map_has_no_order(self) -> None:
        some = torch.tensor([[[0.0, 0.0, 1.0, 2.0]], [[3.0, 3.0, 3.0, 3.0]]])
        others = torch.tensor([[[1.0, 2.0, 3.0, 4.0]], [[1.0, 2.0, 3.0, 4.0]]])
        assert rank_correlation(some, others) == pytest.approx([4.5 / 4.5**0.5 / 5**0.5, np.nan], nan_ok=True)

    def test_means_leave_out_what_is_undefined_and_resample_groups(self) -> None:
        values = np.array([1.0, 1.0, np.nan, 3.0], np.float32)
        one = means({"x": values}, groups=np.array([0, 0, 1, 2]))["x"]
        assert one.value == pytest.approx(5 / 3)
        assert (one.low, one.high) == (pytest.approx(1.0), pytest.approx(3.0))
        assert one.groups == 3

    def test_rivals_know_nothing_of_the_network(self) -> None:
        pairs = bright_pairs(4)
        said = explainer()(pairs.fakes)
        blind = Explained(said.logits, torch.zeros_like(said.maps))
        some, others = (candidate_maps(one, pairs.fakes, seed=3) for one in (said, blind))
        assert set(some) == {"evidence", "centre", "edges", "random"}
        for name in ("centre", "edges", "random"):
            assert torch.equal(some[name], others[name])
            assert some[name].min() >= 0
        edges = some["edges"][0, :, 5:20]
        assert edges[23:25].mean() > 5 * edges[2:21].mean()  # steep at the rim of the square, flat inside


class TestDeletion:
    def test_it_starts_at_the_fake_ends_at_the_real_and_falls_first_where_the_evidence_is(self) -> None:
        pairs, explain = bright_pairs(), explainer()
        maps = candidate_maps(explain(pairs.fakes), pairs.fakes, seed=0)
        curve = deletion_curve(explain, pairs, maps=maps["evidence"])
        assert curve.shape == (16, STEPS + 1)
        assert curve[:, 0] == pytest.approx(explain(pairs.fakes).logits, abs=1e-5)
        assert curve[:, -1] == pytest.approx(explain(pairs.reals).logits, abs=1e-5)
        quarter = (curve[:, 0] - curve[:, STEPS // 4]) / (curve[:, 0] - curve[:, -1])
        assert quarter.min() > 0.95  # the square covers 9 of 64 cells
        reversed_order = deletion_curve(explain, pairs, maps=-maps["evidence"])
        assert (reversed_order.mean(axis=1) > curve.mean(axis=1)).all()


class TestAll:
    def test_a_network_that_looks_where_it_was_changed_passes(self) -> None:
        found = measure(explainer(), bright_pairs())
        assert (found.pairs, found.noticed, found.no_energy, found.cells) == (16, 16, 0, (8, 8))
        energy = found.energy["all"]
        assert energy["evidence"].low > 4
        assert energy["centre"].value < 1
        assert energy["random"].value == pytest.approx(1, abs=0.1)
        assert set(found.energy) == {"all", *REGIONS}
        assert found.contrast["evidence"].value > 0.9
        for other in ("random", "centre"):
            assert found.deletion[f"{other} - evidence"].low > 0
        assert set(found.stability) == {"JPEG quality 70", "shift by one pixel"}
        assert min(one.value for one in found.stability.values()) > 0.7

    def test_the_seed_decides_the_random_order(self) -> None:
        pairs, explain = bright_pairs(4), explainer()
        first, again, other = (measure(explain, pairs, seed=seed).curves["random"].tolist() for seed in (1, 1, 2))
        assert first == again
        assert first != other

    def test_a_network_that_looks_elsewhere_does_not(self) -> None:
        found = measure(explainer(gain=-10.0), bright_pairs())
        assert found.noticed == 0
        assert found.curves == {}
        assert found.deletion["evidence"].value is None
        assert found.energy["all"]["evidence"].value < 0.5

    def test_shuffling_is_from_the_head_down_and_leaves_the_network_alone(self) -> None:
        explain = explainer()
        shuffled = explain.shuffled(0.3, seed=1)  # one of three tensors
        before, after = (list(one._module.parameters()) for one in (explain, shuffled))
        assert torch.equal(before[0], after[0])
        assert not torch.equal(before[-1], after[-1])
        assert sorted(before[-1].flatten().tolist()) == sorted(after[-1].flatten().tolist())
        assert torch.equal(after[-1], list(explain.shuffled(0.3, seed=1)._module.parameters())[-1])

    def test_randomisation_is_judged_over_shuffles(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("monitor.lab.evaluation.faithfulness.SHUFFLES", 5)
        found = measure(explainer(), bright_pairs(8)).randomisation
        assert set(found) == {f"{share}{part}" for share in ("5%", "25%", "50%", "100%") for part in ("", ", own part")}
        assert {one.groups for one in found.values()} == {5}
        assert all(-1 <= one.value <= 1 for one in found.values())

    def test_a_map_of_one_cell_is_refused(self) -> None:
        with pytest.raises(UsageError, match=r"1 x 1 cells at 64 px.*--size 160"):
            explainer(cells=1)
