"""The tokens of a Vision Transformer as a map, for :mod:`monitor.classifiers.architectures.vit`."""

import torch
from torch import Tensor, nn


class TokenTrunk(nn.Module):
    """timm's VisionTransformer without class token, up to the normed tokens, for one input size.

    Args:
        body: its layers are shared; its position embedding is resampled and copied.
        grid: tokens per side.
    """

    positions: Tensor  # (1, grid * grid, channels)

    def __init__(self, body: nn.Module, *, grid: int) -> None:
        super().__init__()
        layers = dict(body.named_children())
        self.patches = body.get_submodule("patch_embed.proj")
        self.blocks, self.norm = layers["blocks"], layers["norm"]
        self.grid = grid
        self.register_buffer("positions", resample_positions(body.get_parameter("pos_embed").detach(), grid=grid))

    def forward(self, x: Tensor) -> Tensor:
        """The map (N, channels, grid, grid) of a batch (N, 3, S, S)."""
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        normed: Tensor = self.norm(self.blocks(tokens))
        return normed.transpose(1, 2).reshape(-1, normed.shape[2], self.grid, self.grid)


def resample_positions(positions: Tensor, *, grid: int) -> Tensor:
    """Resample a position embedding (1, n * n, channels) to ``grid * grid`` tokens: bicubic, antialiased, like timm."""
    before = round(positions.shape[1] ** 0.5)
    if before == grid:
        return positions.clone()
    plane = positions.transpose(1, 2).reshape(1, -1, before, before)
    plane = torch.nn.functional.interpolate(plane, size=(grid, grid), mode="bicubic", antialias=True)
    return plane.flatten(2).transpose(1, 2).contiguous()
