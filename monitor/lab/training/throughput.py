"""Training speed on this machine, by part and relative to the machine's peak.

The peak is measured before and after the steps: torch's matrix product of 2048 x 2048 with the precision and the
threads of the training. torch's FLOP counter counts the work of a step.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch.utils.flop_counter import FlopCounterMode

from monitor.lab.fakes.autoencoders import Autoencoders
from monitor.lab.training.averaging import AveragedWeights
from monitor.lab.training.batches import augmented
from monitor.lab.training.experiment import Experiment, Stage
from monitor.lab.training.hardware import computes_in_bf16
from monitor.lab.training.network import initial_network
from monitor.lab.training.pairs import PairLoader, open_streams
from monitor.lab.training.steps import Learner

_SIDE: Final = 2048


@dataclass(frozen=True, slots=True)
class Throughput:
    """Medians over the steps of one stage."""

    size: int  # pixels
    batch: int  # images
    images_per_second: float
    milliseconds: dict[str, float]  # per image, by part; "learn" is forward, backward and optimizer
    gflop_per_image: float  # forward and backward
    peak_gflops: float  # of a matrix product in the same precision
    precision: str
    threads: int

    @property
    def peak_share(self) -> float:
        """FLOP per second of whole steps, as a share of the peak."""
        return self.gflop_per_image * self.images_per_second / self.peak_gflops

    @property
    def learning_share(self) -> float:
        """The same for the part "learn"."""
        return self.gflop_per_image / (self.milliseconds["learn"] / 1e3) / self.peak_gflops


def measure_throughput(
    experiment: Experiment, stage: Stage, *, roots: Sequence[Path], device: torch.device, steps: int = 12
) -> Throughput:
    """Run some steps of one stage on initial weights, and discard the result.

    Args:
        experiment: settings of the training.
        stage: size and batch.
        roots: folders of the experiment's sets.
        device: of the training.
        steps: timed steps, after one warm-up step.

    Raises:
        MonitorError: see ``Trainer``.
    """
    half = computes_in_bf16(experiment.precision, device)
    network = initial_network(experiment).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    learner = Learner(network, experiment=experiment, half=half)
    autoencoders = Autoencoders.named_by(experiment.autoencoders, device=device)
    averaged = AveragedWeights(network, memory=experiment.optimizer.ema_images)
    loader = PairLoader(open_streams(experiment.data, roots=roots, seed=experiment.seed), device=device)
    pairs = loader.batches((number * stage.batch // 2, stage.batch // 2) for number in range(steps + 1))
    clock = _Clock()
    peaks = [_peak(device, half=half)]
    flop = 0
    for number in range(steps + 1):
        with clock("wait for crops"):
            stored = next(pairs).to(device)
        with clock("augment"):
            batch = augmented(stored, experiment, size=stage.size, seed=(1, number), autoencoders=autoencoders)
        if number == 0:
            with FlopCounterMode(display=False) as counter:
                learner.step(batch, lr=1e-4, seed=(2, number))
            flop = counter.get_total_flops()
        with clock("learn"):
            learner.step(batch, lr=1e-4, seed=(2, number))
        with clock("average"):
            averaged.update(network, images=stage.batch)
    loader.close()
    peaks.append(_peak(device, half=half))
    median = {name: statistics.median(times[1:]) for name, times in clock.spent.items()}
    return Throughput(
        size=stage.size,
        batch=stage.batch,
        images_per_second=stage.batch / sum(median.values()),
        milliseconds={name: 1e3 * seconds / stage.batch for name, seconds in median.items()},
        gflop_per_image=flop / stage.batch / 1e9,
        peak_gflops=max(peaks),
        precision="bf16" if half else "fp32",
        threads=torch.get_num_threads(),
    )


class _Clock:
    """Records the seconds of each part, step by step."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.spent.setdefault(part, []).append(time.perf_counter() - started)


def _peak(device: torch.device, *, half: bool) -> float:
    """GFLOP/s of one matrix product."""
    matrix = torch.ones(_SIDE, _SIDE, device=device, dtype=torch.bfloat16 if half else torch.float32)
    clock = _Clock()
    for _ in range(2):
        with clock("product"):
            torch.mm(matrix, matrix)
    return 2 * _SIDE**3 / clock.spent["product"][-1] / 1e9
