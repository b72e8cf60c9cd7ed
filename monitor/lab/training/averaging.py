"""An exponential moving average of a network's weights and running statistics, counted in images."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping


class AveragedWeights:
    """Weights that follow those of a network: after ``memory`` images old ones count 1/e.

    At first they count less, so that the random start is soon forgotten: the decay is at most
    ``(1 + n) / (10 + n)`` after n updates (as in TensorFlow's ExponentialMovingAverage).

    Args:
        network: whose weights are followed; it is copied, not kept.
        memory: images; 0: the newest weights, unaveraged.
    """

    def __init__(self, network: torch.nn.Module, *, memory: float) -> None:
        self.network = copy.deepcopy(network).eval()
        self.network.requires_grad_(requires_grad=False)
        self._memory = memory
        self.updates = 0

    @torch.no_grad()
    def update(self, network: torch.nn.Module, *, images: int) -> None:
        """Take in the weights after a step on ``images`` images."""
        decay = math.exp(-images / self._memory) if self._memory > 0 else 0.0
        decay = min(decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        mine, theirs = self.network.state_dict(), network.state_dict()
        floating = [name for name, value in mine.items() if value.is_floating_point()]
        torch._foreach_lerp_([mine[name] for name in floating], [theirs[name] for name in floating], 1 - decay)
        for name in mine.keys() - set(floating):
            mine[name].copy_(theirs[name])

    def state_dict(self) -> dict[str, object]:
        """Everything that is needed to go on."""
        return {"updates": self.updates, "network": self.network.state_dict()}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.updates = int(state["updates"])  # type: ignore[call-overload]
        self.network.load_state_dict(state["network"])  # type: ignore[arg-type]
