"""Runs an experiment from first to last step, across interruptions.

A step is a pure function of the experiment and the weights before it. So a training that was killed and resumed ends
with the same weights, bit for bit, as an uninterrupted one, on the same kind of CPU with the same number of threads.
(On a GPU, some of torch's kernels add in varying order.)
"""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

from monitor.classifiers.weights import export_weights, sha256
from monitor.errors import CheckpointError, DatasetError, ExperimentError
from monitor.lab.datasets.faceset import FaceSet
from monitor.lab.fakes.autoencoders import Autoencoders
from monitor.lab.training.averaging import AveragedWeights
from monitor.lab.training.batches import augmented
from monitor.lab.training.checkpoint import load_checkpoint, save_checkpoint
from monitor.lab.training.experiment import Experiment
from monitor.lab.training.hardware import computes_in_bf16, in_words, usable_device
from monitor.lab.training.network import initial_network
from monitor.lab.training.pairs import PairLoader, forbid_leaks, open_streams
from monitor.lab.training.steps import Learner, learning_rate
from monitor.lab.training.teacher import Teacher
from monitor.lab.training.validation import Validator
from monitor.system.files import alone_in

OnStep = Callable[["Progress", float], bool]

logger = logging.getLogger(__name__)

BEST: Final = "best-{}.safetensors"  # images seen
CHECKPOINT_SECONDS: Final = 300.0
_SLACK: Final = 0.01  # of a side
_AUGMENT, _DROPOUT = 1, 2  # purposes of random numbers


class Step(NamedTuple):
    """Position and size of one step."""

    number: int
    size: int  # pixels
    batch: int  # images
    images: int  # seen before this step


@dataclass(slots=True)
class Progress:
    """Progress of a training and results of its validations."""

    step: int = 0
    images: int = 0
    seconds: float = 0.0  # training time, without interruptions
    history: list[dict[str, float]] = field(default_factory=list)  # one row per validation
    best: float = -1.0  # highest mean AUC on val
    best_images: int = 0  # seen at the best validation
    best_size: int = 0
    hardware: str = ""  # of the most recent run


class Trainer:
    """One experiment, in one folder.

    Args:
        experiment: settings of the training.
        roots: folders that hold the experiment's sets of face crops.
        out: folder of checkpoints and weights; an existing training is resumed.
        device: "cpu" or "cuda"; default: a GPU if there is one.
        threads: of torch on a CPU; default: all.

    Raises:
        DatasetError: a set is missing, damaged or leaks.
        CheckpointError: the folder belongs to another experiment or other data, or is damaged.
        ExperimentError: the experiment does not fit the model or the crops.
        UsageError: the device is not available.
        OutputError: ``out`` cannot be written.
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
        self.device = usable_device(device)
        self.half = computes_in_bf16(experiment.precision, self.device)
        self.progress = Progress()
        self.streams = open_streams(experiment.data, roots=roots, seed=experiment.seed)
        self._validation = Validator(experiment, roots=roots)
        sets = {stream.faces.folder: stream.faces for stream in self.streams}
        forbid_leaks([*sets, *self._validation.folders])
        _require_wide_enough([*sets.values()], experiment)
        self._digest = _digest(experiment, [*sets.values()])
        network = initial_network(experiment).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        teacher = Teacher(experiment, device=self.device) if experiment.distillation.model else None
        self._learner = Learner(network, experiment=experiment, half=self.half, teacher=teacher)
        self.averaged = AveragedWeights(network, memory=experiment.optimizer.ema_images)
        self._autoencoders = Autoencoders.named_by(experiment.autoencoders, device=self.device)
        state = load_checkpoint(out, digest=self._digest)
        if state is not None:
            self._restore(state)
        self.progress.hardware = in_words(self.device, half=self.half)

    @property
    def done(self) -> bool:
        """Whether the training is complete."""
        return self.progress.images >= self.experiment.images

    def run(self, *, minutes: float | None = None, on_step: OnStep = lambda _progress, _loss: True) -> Progress:
        """Train to the end or to the time limit, and write a checkpoint.

        Args:
            minutes: wall-clock limit of this call; None: no limit.
            on_step: called after each step with progress and loss; returning False stops the training.

        Raises:
            DatasetError: a crop is damaged; a checkpoint is written first.
            OutputError: a checkpoint cannot be written.
            ExperimentError: the loss is not finite.
            UsageError: another process is training in this folder.
        """
        with alone_in(self.out):
            try:
                self._train(minutes, on_step)
            except DatasetError:
                self._save()
                raise
        return self.progress

    def _train(self, minutes: float | None, on_step: OnStep) -> None:
        started = kept = time.monotonic()
        before = self.progress.seconds
        plan = list(self._plan())
        loader = PairLoader(self.streams, device=self.device)
        try:
            pairs = loader.batches((step.images // 2, step.batch // 2) for step in plan)
            for step, stored in zip(plan, pairs, strict=True):
                loss = self._step(step, stored)
                self.progress.seconds = before + time.monotonic() - started
                validates = self._validates(step) or self.done
                if validates:
                    self._validate(step)
                now = time.monotonic()
                go_on = on_step(self.progress, loss) and (minutes is None or now - started < 60 * minutes)
                if validates or not go_on or now - kept > CHECKPOINT_SECONDS:
                    self._save()
                    kept = time.monotonic()
                if not go_on:
                    break
        finally:
            loader.close()

    def _plan(self) -> Iterator[Step]:
        """Yields the remaining steps."""
        number = images = 0
        for stage in self.experiment.stages:
            for _ in range(stage.images // stage.batch):
                if number >= self.progress.step:
                    yield Step(number, stage.size, stage.batch, images)
                number, images = number + 1, images + stage.batch

    def _step(self, step: Step, stored: Any) -> float:  # noqa: ANN401 - a PairBatch
        seed, optimizer = self.experiment.seed, self.experiment.optimizer
        pairs = stored.to(self.device)
        draws = (seed, _AUGMENT, step.number)
        batch = augmented(pairs, self.experiment, size=step.size, seed=draws, autoencoders=self._autoencoders)
        lr = learning_rate(step.images, total=self.experiment.images, settings=optimizer)
        learned = self._learner.step(batch, lr=lr, seed=(seed, _DROPOUT, step.number))
        if not learned.loss < float("inf"):
            raise ExperimentError(
                f"{self.experiment.name}: the loss is no number after {step.images} images: lower optimizer.lr and "
                f"start in a new --out; the last sound weights are in {self.out}"
            )
        self.averaged.update(self._learner.network, images=step.batch)
        self.progress.step, self.progress.images = step.number + 1, step.images + step.batch
        return learned.loss

    def _validates(self, step: Step) -> bool:
        every = self.experiment.validation.every_images
        return step.images // every != (step.images + step.batch) // every

    def _validate(self, step: Step) -> None:
        network, progress = self.averaged.network, self.progress
        row = {"images": float(progress.images), "hours": progress.seconds / 3600, "size": float(step.size)}
        judged = self._validation.judge(network, size=step.size)
        row |= {f"auc_{one.name}": one.auc for one in judged}
        row["auc_self_blended"] = self._validation.judge_self_blended(network, size=step.size).auc
        value = sum(one.auc for one in judged) / len(judged)
        progress.history.append(row)
        if value > progress.best:
            progress.best, progress.best_images, progress.best_size = value, progress.images, step.size
            export_weights(network.state_dict(), best_weights(self.out, progress), dtype="float32")

    def _save(self) -> None:
        progress = self.progress
        facts = {name: getattr(progress, name) for name in progress.__slots__}
        save_checkpoint(
            self.out,
            {
                "digest": self._digest,
                "validation": self._validation.digest,
                "name": self.experiment.name,
                "model": self.experiment.model,
                "half": self.half,
                "progress": facts,
                "network": self._learner.network.state_dict(),
                "optimizer": self._learner.optimizer.state_dict(),
                "averaged": self.averaged.state_dict(),
            },
        )
        for older in set(self.out.glob(BEST.format("*"))) - {best_weights(self.out, progress)}:
            older.unlink(missing_ok=True)

    def _restore(self, state: dict[str, Any]) -> None:
        if state["half"] != self.half:
            made, here = (("bf16" if half else "fp32") for half in (state["half"], self.half))
            raise CheckpointError(
                f"the checkpoint in {self.out} was made in {made}, this machine would go on in {here}: set precision "
                "in the experiment, or go on where it began"
            )
        self._learner.network.load_state_dict(state["network"])
        self._learner.optimizer.load_state_dict(state["optimizer"])
        self.averaged.load_state_dict(state["averaged"])
        self.progress = Progress(**state["progress"])
        if state["validation"] != self._validation.digest:
            logger.warning("validation is on other crops than before: what was best then is not compared with")
            self.progress.best = -1.0


def best_weights(out: Path, progress: Progress) -> Path:
    """Path of the best weights at ``progress``; every new best gets a name of its own."""
    return out / BEST.format(progress.best_images)


def _digest(experiment: Experiment, sets: Sequence[FaceSet]) -> str:
    """Hash of everything that affects the weights; a checkpoint belongs to one digest."""
    digest = hashlib.sha256(experiment.digest.encode())
    for faces in sets:
        digest.update(faces.digest.encode())
    for start in (experiment.init, experiment.autoencoders):
        if start and Path(start).is_file():
            digest.update(sha256(Path(start)).encode())
    return digest.hexdigest()


def _require_wide_enough(sets: Sequence[FaceSet], experiment: Experiment) -> None:
    for faces in sets:
        if faces.side_over_box_height < experiment.crops.side * (1 - _SLACK):
            raise ExperimentError(
                f"{faces.folder} holds squares of {faces.side_over_box_height:g} box heights, the experiment wants "
                f"{experiment.crops.side:g} (crops.side): prepare wider crops (lab prepare --side), or want less"
            )
