from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from monitor.lab.training.experiment import Experiment
from monitor.lab.training.throughput import measure_throughput


def test_parts_work_and_shares_add_up(roots: list[Path], experiment: Callable[..., Experiment]) -> None:
    plan = experiment()
    found = measure_throughput(plan, plan.stages[0], roots=roots, device=torch.device("cpu"), steps=2)
    assert (found.size, found.batch, found.precision) == (80, 4, "fp32")
    assert set(found.milliseconds) == {"wait for crops", "augment", "learn", "average"}
    assert found.images_per_second == pytest.approx(1e3 / sum(found.milliseconds.values()))
    tokens, width, depth = 25, 192, 12
    linear = tokens * width * 12 * width * depth  # MACs of a transformer's matrices: 12 d^2 per token and block
    assert 3 < found.gflop_per_image * 1e9 / (2 * linear) < 4, "forward once, backward twice, and attention"
    assert 0 < found.peak_share < found.learning_share
