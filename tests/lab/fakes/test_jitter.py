import numpy as np
import pytest
import torch
from support.footage import portrait

from monitor.classifiers.crops import cut_squares
from monitor.errors import ExperimentError
from monitor.lab.fakes.jitter import Jitter, draw_squares, moved_inside, recrop, recrop_landmarks


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(n: int, *, scale: tuple[float, float], shift: float, seed: int) -> torch.Tensor:
    """Squares of pictures of 224 pixels that show one box height, from the box's centre."""
    jitter = Jitter(scale=scale, shift=shift, centre=0.0)
    return draw_squares(torch.ones(n), torch.zeros(n), stored=224, jitter=jitter, generator=seeded(seed))


class TestRecrop:
    @pytest.mark.parametrize(
        ("square", "size"),
        [
            ((0, 0, 224, 224), 96),
            ((0, 0, 224, 224), 224),
            ((0, 0, 224, 224), 128),
            ((0, 0, 224, 224), 160),
            ((10.3, 20.7, 200.3, 210.7), 96),
            ((-20, 30, 180, 230), 112),
            ((50, 50, 120, 120), 160),
        ],
    )
    def test_it_cuts_as_the_live_path_does(self, square: tuple[float, ...], size: int) -> None:
        picture = np.ascontiguousarray(portrait()[20:244, 120:344])
        live = cut_squares(picture, np.array([square], np.float32), size=size)[0].astype(float)
        stored = torch.tensor(picture).permute(2, 0, 1)[None]
        ours = recrop(stored, torch.tensor([square]), size=size)[0].permute(1, 2, 0).numpy() * 255
        assert np.abs(ours - live).mean() < 0.6  # half a grey level of it is rounding
        assert np.abs(ours - live).max() < 8

    def test_bytes_and_floats_are_the_same_picture(self) -> None:
        stored = torch.tensor(portrait()).permute(2, 0, 1)[None]
        square = torch.tensor([[100.0, 20.0, 300.0, 220.0]])
        assert torch.equal(recrop(stored, square, size=96), recrop(stored.float() / 255, square, size=96))

    def test_rows_do_not_depend_on_their_neighbours(self) -> None:
        stored = torch.tensor(portrait()[:224, 100:324]).permute(2, 0, 1)[None].expand(6, -1, -1, -1)
        squares = drawn(6, scale=(0.4, 1.0), shift=0.1, seed=0)
        together = recrop(stored, squares, size=96)
        for row in range(6):
            alone = recrop(stored[row : row + 1], squares[row : row + 1], size=96)
            assert torch.allclose(together[row : row + 1], alone, atol=1e-6)

    def test_landmarks_go_where_their_pixels_go(self) -> None:
        stored = torch.zeros(1, 1, 200, 200)
        points = torch.tensor([[[60.0, 70.0], [130.0, 66.0], [98.0, 104.0], [72.0, 140.0], [124.0, 141.0]]])
        squares = torch.tensor([[22.5, 31.0, 172.5, 181.0]])
        for x, y in points[0].long().tolist():
            stored[0, 0, y - 2 : y + 2, x - 2 : x + 2] = 1
            crop = recrop(stored, squares, size=100)[0, 0]
            axis = torch.arange(100) + 0.5
            middle = torch.stack(((crop.sum(0) * axis).sum(), (crop.sum(1) * axis).sum())) / crop.sum()
            moved = recrop_landmarks(torch.tensor([[[float(x), float(y)]]]), squares, size=100)[0, 0]
            assert torch.allclose(middle, moved, atol=0.05)
            stored.zero_()


class TestSquares:
    def test_they_are_square_inside_and_as_large_as_asked(self) -> None:
        squares = drawn(500, scale=(0.7, 1.0), shift=0.05, seed=0)
        sides = squares[:, 2:] - squares[:, :2]
        assert torch.allclose(sides[:, 0], sides[:, 1], atol=1e-3)
        assert sides.min() > 0.699 * 224
        assert sides.max() < 224.01
        assert sides.std() > 15
        assert squares.min() > -0.01
        assert squares.max() < 224.01
        moves = (squares[:, :2] + squares[:, 2:]) / 2 - 112
        assert moves.abs().max() <= 0.05 * 224 + 0.01
        assert moves.std() > 3

    def test_sides_moves_and_middle_are_in_box_heights_whatever_was_stored(self) -> None:
        n, jitter = 2000, Jitter(scale=(0.7, 0.9), shift=0.05, centre=0.06)
        for side, centre in ((1.3, 0.06), (2.0, 0.06), (2.0, -0.1)):
            squares = draw_squares(
                torch.full((n,), side), torch.full((n,), centre), stored=224, jitter=jitter, generator=seeded(2)
            )
            unit = 224 / side
            sides = (squares[:, 2] - squares[:, 0]) / unit
            assert 0.7 <= sides.min() < 0.71 < 0.89 < sides.max() <= 0.9001
            middle = (squares[:, :2] + squares[:, 2:]) / 2 / unit - side / 2 + torch.tensor([0.0, centre])
            assert (middle - torch.tensor([0.0, 0.06])).abs().max() <= 0.0501
            assert torch.allclose(middle.mean(0), torch.tensor([0.0, 0.06]), atol=0.003)
            assert torch.allclose(middle.std(0), torch.full((2,), 0.05 / 3**0.5), atol=0.002)

    def test_nothing_is_shown_that_was_not_stored(self) -> None:
        jitter = Jitter(scale=(0.75, 1.2), shift=0.1, centre=0.06)
        squares = draw_squares(
            torch.full((99,), 0.85), torch.full((99,), 0.06), stored=224, jitter=jitter, generator=seeded(1)
        )
        assert squares.min() >= -1e-3
        assert squares.max() <= 224.001
        whole = draw_squares(torch.full((9,), 0.6), torch.zeros(9), stored=224, jitter=jitter, generator=seeded(1))
        assert torch.allclose(whole, torch.tensor([[0.0, 0.0, 224.0, 224.0]]).repeat(9, 1), atol=1e-3)

    def test_what_fits_is_moved_inside_and_what_is_larger_holds_the_picture(self) -> None:
        squares = torch.tensor([[-10.0, 30, 90, 130], [150, 140, 250, 240], [-60, -10, 240, 290], [20, 20, 60, 60]])
        inside = torch.tensor([[0.0, 30, 100, 130], [124, 124, 224, 224], [-60, -10, 240, 290], [20, 20, 60, 60]])
        assert torch.equal(moved_inside(squares, stored=224), inside)
        assert torch.equal(
            moved_inside(torch.tensor([[10.0, -90, 310, 210]]), stored=224), torch.tensor([[0.0, -76, 300, 224]])
        )

    def test_scale_one_without_shift_is_the_whole_picture(self) -> None:
        squares = drawn(3, scale=(1.0, 1.0), shift=0.0, seed=0)
        assert torch.equal(squares, torch.tensor([[0.0, 0.0, 224.0, 224.0]]).repeat(3, 1))

    def test_the_same_seed_gives_the_same_squares(self) -> None:
        first, again = (drawn(9, scale=(0.7, 1), shift=0.1, seed=4) for _ in range(2))
        assert torch.equal(first, again)

    @pytest.mark.parametrize(("scale", "shift"), [((0.0, 1.0), 0.1), ((1.0, 0.5), 0.1), ((0.5, 1.0), -0.1)])
    def test_limits_without_sense_are_refused(self, scale: tuple[float, float], shift: float) -> None:
        with pytest.raises(ExperimentError, match="crop jitter needs"):
            drawn(1, scale=scale, shift=shift, seed=0)
