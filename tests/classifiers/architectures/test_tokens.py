import torch
from support.random_weights import coarse_crops

from monitor.classifiers.architectures.tokens import TokenTrunk, resample_positions
from monitor.inference.foreign import foreign_package


def test_positions_are_resampled_like_in_timm() -> None:
    positions = torch.randn(1, 14 * 14, 8, generator=torch.Generator().manual_seed(1))
    for grid in (5, 6, 10, 14, 20):
        theirs = foreign_package("timm").layers.resample_abs_pos_embed(
            positions, new_size=[grid, grid], num_prefix_tokens=0
        )
        assert torch.equal(resample_positions(positions, grid=grid), theirs)


def test_positions_of_the_same_grid_are_a_copy() -> None:
    positions = torch.randn(1, 9, 2, generator=torch.Generator().manual_seed(1))
    found = resample_positions(positions, grid=3)
    assert torch.equal(found, positions)
    assert found.data_ptr() != positions.data_ptr()


def test_the_map_is_the_tokens_row_by_row(bodies: dict[str, torch.nn.Module]) -> None:
    body, batch = bodies["vit"], coarse_crops(96)
    with torch.inference_mode():
        tokens = body.forward_features(batch)
        last_map = TokenTrunk(body, grid=6)(batch)
    assert last_map.shape == (2, 192, 6, 6)
    for row, column in ((0, 0), (0, 5), (2, 3), (5, 1)):
        torch.testing.assert_close(last_map[:, :, row, column], tokens[:, 6 * row + column], atol=1e-5, rtol=0)
