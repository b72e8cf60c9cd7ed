"""An experiment from its first step to its last, over any number of interruptions.

What a step does is a pure function of the experiment and of the weights before it. So a training that was
killed and goes on from its checkpoint ends with the same weights, bit for bit, as one that was never disturbed:
on one kind of CPU with one number of threads. (On a GPU some of torch's kernels add in varying order.)
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch

from monitor.errors import CheckpointError, ExperimentError
from monitor.lab.training.averaging import AveragedWeights
from monitor.lab.training.batches import augmented
from monitor.lab.training.checkpoint import load_checkpoint, save_checkpoint
from monitor.lab.training.pairs import PairLoader, open_streams
from monitor.lab.training.steps import Learner, learning_rate
from monitor.lab.training.validation import Validation
from monitor.models import architecture
from monitor.models.weights import export_weights, read_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from monitor.lab.training.experiment import Experiment

BEST: Final = "best.safetensors"
CHECKPOINT_SECONDS: Final = 300.0
_AUGMENT, _DROPOUT, _WEIGHTS = 1, 2, 3  # purposes of random numbers


class Step(NamedTuple):
    """One step's place in its experiment."""

    number: int
    size: int  # pixels
    batch: int  # images
    images: int  # seen before it


@dataclass(slots=True)
class Progress:
    """How far a training is, and what its validations said."""

    step: int = 0
    images: int = 0
    seconds: float = 0.0  # of work, over all interruptions
    history: list[dict[str, float]] = field(default_factory=list)  # one row per validation
    best: float = -1.0  # the highest mean AUC on val
    best_images: int = 0
    best_size: int = 0


class Trainer:
    """One experiment, in one folder.

    Args:
        experiment: what is trained.
        roots: folders that hold the experiment's sets of face crops.
        out: folder of checkpoints and weights; a training found there goes on.
        device: "cpu" or "cuda"; default: a GPU if there is one.
        threads: of torch on a CPU; default: all.

    Raises:
        DatasetError: a set is missing, damaged or leaks.
        CheckpointError: the folder holds another experiment, or nothing sound.
        ExperimentError: the experiment cannot run here.
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        roots: Sequence[Path],
        out: Path,
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        torch.set_num_threads(threads or os.cpu_count() or 1)
        self.experiment, self.out = experiment, out
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.half = computes_in_bf16(experiment.precision, self.device)
        self.progress = Progress()
        self._streams = open_streams(experiment.data, roots=roots, seed=experiment.seed)
        self._validation = Validation(experiment, roots=roots)
        network = initial_network(experiment).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._learner = Learner(network, experiment=experiment, half=self.half)
        self.averaged = AveragedWeights(network, memory=experiment.optimizer.ema_images)
        out.mkdir(parents=True, exist_ok=True)
        state = load_checkpoint(out, digest=experiment.digest)
        if state is not None:
            self._restore(state)

    @property
    def done(self) -> bool:
        """Whether every image was seen."""
        return self.progress.images >= self.experiment.images

    def run(
        self,
        *,
        minutes: float | None = None,
        on_step: Callable[[Progress, float], bool] = lambda _progress, _loss: True,
    ) -> Progress:
        """Train to the end, or until time is up; what was reached is checkpointed.

        Args:
            minutes: of wall-clock time that this call may take; None: no limit.
            on_step: called after each step with the progress and the loss; False ends the call as time would.

        Raises:
            DatasetError: a crop is damaged.
            OutputError: a checkpoint cannot be written.
            ExperimentError: the loss is no number any more.
        """
        started = kept = time.monotonic()
        before = self.progress.seconds
        plan = list(self._plan())
        loader = PairLoader(self._streams, workers=1 if self.device.type == "cpu" else os.cpu_count() or 1)
        try:
            pairs = loader.batches((step.images // 2, step.batch // 2) for step in plan)
            for step, stored in zip(plan, pairs, strict=True):
                loss = self._step(step, stored)
                self.progress.seconds = before + time.monotonic() - started
                if self._validates(step) or self.done:
                    self._validate(step)
                now = time.monotonic()
                go_on = on_step(self.progress, loss) and (minutes is None or now - started < 60 * minutes)
                if not go_on or self.done or now - kept > CHECKPOINT_SECONDS:
                    self._save()
                    kept = time.monotonic()
                if not go_on:
                    break
        finally:
            loader.close()
        return self.progress

    def _plan(self) -> Iterator[Step]:
        """The steps that are still to be done."""
        number = images = 0
        for stage in self.experiment.stages:
            for _ in range(stage.images // stage.batch):
                if number >= self.progress.step:
                    yield Step(number, stage.size, stage.batch, images)
                number, images = number + 1, images + stage.batch

    def _step(self, step: Step, stored: Any) -> float:  # noqa: ANN401 - a PairBatch
        seed, optimizer = self.experiment.seed, self.experiment.optimizer
        pairs = stored.to(self.device)
        batch = augmented(pairs, self.experiment, size=step.size, seed=(seed, _AUGMENT, step.number))
        lr = learning_rate(step.images, total=self.experiment.images, settings=optimizer)
        learned = self._learner.step(batch, lr=lr, seed=(seed, _DROPOUT, step.number))
        if not learned.loss < float("inf"):
            msg = (
                f"{self.experiment.name}: the loss is no number after {step.images} images: lower optimizer.lr and "
                f"start in a new --out; the last sound weights are in {self.out}"
            )
            raise ExperimentError(msg)
        self.averaged.update(self._learner.network, images=step.batch)
        self.progress.step, self.progress.images = step.number + 1, step.images + step.batch
        return learned.loss

    def _validates(self, step: Step) -> bool:
        every = self.experiment.validation.every_images
        return step.images // every != (step.images + step.batch) // every

    def _validate(self, step: Step) -> None:
        network, progress = self.averaged.network, self.progress
        judged = self._validation.judge(network, size=step.size)
        row = {"images": float(progress.images), "hours": progress.seconds / 3600, "size": float(step.size)}
        row |= {f"auc_{one.name}": one.auc for one in judged if one.auc is not None}
        mean = sum(one.auc or 0.0 for one in judged) / max(1, len(judged))
        blended = self._validation.judge_self_blended(network, size=step.size)
        row["auc_self_blended"] = blended.auc or 0.0
        progress.history.append(row)
        if mean > progress.best:
            progress.best, progress.best_images, progress.best_size = mean, progress.images, step.size
            export_weights(network.state_dict(), self.out / BEST, dtype="float32")

    def _save(self) -> None:
        progress = self.progress
        facts = {name: getattr(progress, name) for name in progress.__slots__}
        save_checkpoint(
            self.out,
            {
                "digest": self.experiment.digest,
                "name": self.experiment.name,
                "model": self.experiment.model,
                "half": self.half,
                "progress": facts,
                "network": self._learner.network.state_dict(),
                "optimizer": self._learner.optimizer.state_dict(),
                "averaged": self.averaged.state_dict(),
            },
        )

    def _restore(self, state: dict[str, Any]) -> None:
        if state["half"] != self.half:
            made, here = (("bf16" if half else "fp32") for half in (state["half"], self.half))
            msg = (
                f"the checkpoint in {self.out} was made in {made}, this machine would go on in {here}: set precision "
                "in the experiment, or go on where it began"
            )
            raise CheckpointError(msg)
        self._learner.network.load_state_dict(state["network"])
        self._learner.optimizer.load_state_dict(state["optimizer"])
        self.averaged.load_state_dict(state["averaged"])
        self.progress = Progress(**state["progress"])


def computes_in_bf16(precision: str, device: torch.device) -> bool:
    """Whether matrix products shall run in bf16 there: asked for, or "auto" on hardware that computes in it."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001 - torch has no public question for it


def initial_network(experiment: Experiment) -> torch.nn.Module:
    """The body that an experiment starts from, in train mode, on the CPU.

    Raises:
        UsageError: the model is unknown.
        ExperimentError: a size or an initialisation does not fit it.
        ModelError: the initialisation cannot be had.
    """
    model = architecture(experiment.model)
    for stage in experiment.stages:
        if stage.size not in model.INPUT_SIZES:
            msg = f"{experiment.model} does not take crops of {stage.size} pixels (stages.size)"
            raise ExperimentError(msg)
    with torch.random.fork_rng():
        torch.manual_seed(experiment.seed * 10 + _WEIGHTS)
        network = model.body(dropout=experiment.dropout)
        if experiment.mask_head > 0:
            _add_mask_head(network, experiment)
    if experiment.init:
        _initialise(network, experiment)
    return network.train()


def _add_mask_head(network: torch.nn.Module, experiment: Experiment) -> None:
    from monitor.models.mask_head import MaskHead

    if experiment.model != "inception_resnet_v1":
        msg = f"mask_head needs inception_resnet_v1, the experiment trains {experiment.model}"
        raise ExperimentError(msg)
    network.add_module("mask_head", MaskHead())


def _initialise(network: torch.nn.Module, experiment: Experiment) -> None:
    if experiment.init == "vggface2":
        from monitor.models.inception_resnet_v1 import vggface2_state

        if experiment.model != "inception_resnet_v1":
            msg = f"init = 'vggface2' needs inception_resnet_v1, the experiment trains {experiment.model}"
            raise ExperimentError(msg)
        state = vggface2_state()
    else:
        state = read_weights(Path(experiment.init), architecture=experiment.model)
    try:
        lacking, surplus = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        msg = f"init = {experiment.init!r} does not fit {experiment.model}: {str(error).splitlines()[-1].strip()}"
        raise ExperimentError(msg) from error
    lacking = [name for name in lacking if not name.startswith(("logits.", "mask_head."))]
    if lacking or surplus:
        msg = f"init = {experiment.init!r} does not fit {experiment.model}: {(lacking + surplus)[0]} does not match"
        raise ExperimentError(msg)
