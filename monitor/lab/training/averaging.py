"""An exponential moving average of a network's weights and running statistics, counted in images."""

import copy
import math
from collections.abc import Mapping

import torch


class AveragedWeights:
    """Averaged weights of a network; the weight of old values falls to 1/e after ``memory`` images.

    The decay is at most ``(1 + n) / (10 + n)`` after n updates (as in TensorFlow's ExponentialMovingAverage), so that
    the random initial weights soon lose their influence.

    Args:
        network: to be averaged; it is copied.
        memory: images; 0: no averaging.
    """

    def __init__(self, network: torch.nn.Module, *, memory: float) -> None:
        self.network = copy.deepcopy(network).eval()
        self.network.requires_grad_(requires_grad=False)
        self._memory = memory
        self.updates = 0

    @torch.no_grad()
    def update(self, network: torch.nn.Module, *, images: int) -> None:
        """Update the average after a step on ``images`` images."""
        decay = math.exp(-images / self._memory) if self._memory > 0 else 0.0
        decay = min(decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        mine, theirs = self.network.state_dict(), network.state_dict()
        floating = [name for name, value in mine.items() if value.is_floating_point()]
        torch._foreach_lerp_([mine[name] for name in floating], [theirs[name] for name in floating], 1 - decay)
        for name in mine.keys() - set(floating):
            mine[name].copy_(theirs[name])

    def state_dict(self) -> dict[str, object]:
        """The state needed to resume."""
        return {"updates": self.updates, "network": self.network.state_dict()}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Resume from a :meth:`state_dict`."""
        self.updates = int(state["updates"])  # type: ignore[call-overload]
        self.network.load_state_dict(state["network"])  # type: ignore[arg-type]
