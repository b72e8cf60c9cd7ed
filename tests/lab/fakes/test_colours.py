import pytest
import torch
from torch import Tensor

from monitor.lab.fakes.colours import Colours, adjusted, matched


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def pictures(n: int = 1) -> Tensor:
    return torch.rand(n, 3, 24, 24, generator=seeded())


def luma(images: Tensor) -> Tensor:
    return (images * torch.tensor((0.299, 0.587, 0.114))[:, None, None]).sum(1)


def change(**values: float) -> Colours:
    parts = {name: torch.tensor([values.get(name, default)]) for name, default in DEFAULTS.items()}
    return adjusted(**parts, shift=torch.zeros(1, 3))


DEFAULTS = {"contrast": 1.0, "saturation": 1.0, "hue": 0.0}


class TestAdjusted:
    def test_nothing_changes_nothing(self) -> None:
        assert torch.allclose(change().apply(pictures()), pictures(), atol=1e-5)

    def test_contrast_stretches_about_mid_grey(self) -> None:
        made = change(contrast=0.5).apply(pictures())
        assert torch.allclose(made - 0.5, (pictures() - 0.5) / 2, atol=1e-5)

    def test_saturation_keeps_luma_and_zero_is_grey(self) -> None:
        made = change(saturation=0.0).apply(pictures())
        assert (made.amax(1) - made.amin(1)).max() < 1e-3
        assert torch.allclose(luma(change(saturation=1.4).apply(pictures())), luma(pictures()), atol=1e-3)

    def test_hue_turns_all_the_way_round_and_keeps_luma(self) -> None:
        third = 2 * torch.pi / 3
        once = change(hue=third).apply(pictures())
        assert (once - pictures()).abs().mean() > 0.1
        assert torch.allclose(luma(once), luma(pictures()), atol=1e-3)
        back = change(hue=third).apply(change(hue=third).apply(once))
        assert torch.allclose(back, pictures(), atol=1e-3)

    def test_shift_is_per_channel(self) -> None:
        one = torch.ones(1)
        made = adjusted(contrast=one, saturation=one, hue=0 * one, shift=torch.tensor([[0.1, 0.0, -0.2]]))
        difference = (made.apply(pictures()) - pictures()).mean((0, 2, 3))
        assert torch.allclose(difference, torch.tensor((0.1, 0.0, -0.2)), atol=1e-5)


class TestColours:
    def test_strength_mixes_with_no_change(self) -> None:
        full = change(contrast=0.4)
        assert torch.allclose(full.towards_identity(torch.zeros(1)).apply(pictures()), pictures(), atol=1e-6)
        half = full.towards_identity(torch.tensor([0.5])).apply(pictures())
        assert torch.allclose(half, (full.apply(pictures()) + pictures()) / 2, atol=1e-5)


class TestMatched:
    def test_mean_and_spread_become_the_targets_inside_the_mask(self) -> None:
        source, target = pictures(2) * 0.5, pictures(2).flip(0) * 0.6 + 0.3
        masks = torch.zeros(2, 1, 24, 24)
        masks[..., 4:20, 6:22] = 1
        made = matched(source, target, masks).apply(source)
        inside = masks.expand(-1, 3, -1, -1) > 0
        for row in range(2):
            got, wanted = (p[row][inside[row]].view(3, -1) for p in (made, target))
            assert torch.allclose(got.mean(1), wanted.mean(1), atol=1e-4)
            assert got.sum(0).std() == pytest.approx(float(wanted.sum(0).std()), rel=0.02)

    def test_a_flat_source_is_not_stretched_into_noise(self) -> None:
        flat = torch.full((1, 3, 24, 24), 0.4)
        made = matched(flat, pictures(), torch.ones(1, 1, 24, 24))
        assert made.gains.abs().max() < 2
        assert made.apply(flat).isfinite().all()

    def test_the_spread_is_changed_by_a_bounded_factor(self) -> None:
        wide, narrow = pictures(), 0.5 + 0.05 * (pictures() - 0.5)
        for source, target in ((wide, narrow), (narrow, wide)):
            gains = matched(source, target, torch.ones(1, 1, 24, 24), most=1.5).gains
            stretched = torch.linalg.eigvalsh(gains[0])
            assert stretched.min() > 1 / 1.5 - 1e-4
            assert stretched.max() < 1.5 + 1e-4
