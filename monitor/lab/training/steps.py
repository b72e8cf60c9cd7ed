"""One training step: loss, gradients, optimizer; optionally sharpness-aware."""

import math
from typing import NamedTuple

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from monitor.lab.training.batches import Batch, generator
from monitor.lab.training.experiment import Experiment, Optimizer
from monitor.lab.training.teacher import Teacher

_BETAS = (0.9, 0.99)


class StepResult(NamedTuple):
    """Loss and gradient norm of one step."""

    loss: float
    gradient_norm: float  # before clipping


class Learner:
    """Trains one network, step by step.

    Args:
        network: the body of an architecture, on its device. Parameters without ``requires_grad`` stay unchanged.
        experiment: settings of loss and optimizer.
        half: whether matrix products run in bf16.
        teacher: whose answers are learned beside the labels, if the experiment names one.
    """

    def __init__(
        self, network: torch.nn.Module, *, experiment: Experiment, half: bool, teacher: Teacher | None = None
    ) -> None:
        self.network = network
        self._teacher = teacher
        self._experiment = experiment
        self._half = half
        self._device = next(network.parameters()).device
        self._parameters = [one for one in network.parameters() if one.requires_grad]
        self.optimizer = torch.optim.AdamW(
            _decayed(network, experiment.optimizer.weight_decay), betas=_BETAS, fused=True
        )

    def step(self, batch: Batch, *, lr: float, seed: tuple[int, ...]) -> StepResult:
        """Train on one batch; dropout depends on ``seed`` only."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        radius = self._experiment.optimizer.sam_radius
        torch.manual_seed(generator(torch.device("cpu"), *seed).initial_seed())
        loss = self._backward(batch)
        if radius > 0:
            with self._climbed(radius):
                torch.manual_seed(generator(torch.device("cpu"), *seed).initial_seed())
                self._backward(batch)
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._experiment.optimizer.clip_norm)
        self.optimizer.step()
        return StepResult(float(loss), float(norm))

    def _backward(self, batch: Batch) -> torch.Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            images = batch.images.contiguous(memory_format=torch.channels_last)
            logits = self.network(images)
        logits = logits.float().flatten()
        loss = classification_loss(logits, batch.labels, self._experiment.optimizer)
        if self._teacher is not None:
            settings = self._experiment.distillation
            soft = distillation_loss(logits, self._teacher.logits(batch.images), temperature=settings.temperature)
            loss = (1 - settings.share) * loss + settings.share * soft
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _climbed(self, radius: float) -> "_Climbed":
        return _Climbed(self.network, self._parameters, radius)


class _Climbed:
    """Context in which the weights are moved by ``radius`` along the gradient (SAM, Foret et al., ICLR 2021, eq. 2).

    The BatchNorms' running statistics are updated by the first pass only.
    """

    def __init__(self, network: torch.nn.Module, parameters: list[torch.nn.Parameter], radius: float) -> None:
        self._norms = [m for m in network.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]  # noqa: SLF001 - the common base of all BatchNorms
        self._momenta = [norm.momentum for norm in self._norms]
        moved = [p for p in parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in moved if p.grad is not None])
        self._moves = [(p, p.grad * (radius / (norm + 1e-12))) for p in moved if p.grad is not None]

    def __enter__(self) -> None:
        self._shift(1)
        for norm in self._norms:
            norm.momentum = 0.0

    def __exit__(self, *_: object) -> None:
        self._shift(-1)
        for norm, momentum in zip(self._norms, self._momenta, strict=True):
            norm.momentum = momentum

    @torch.no_grad()
    def _shift(self, sign: int) -> None:
        for parameter, move in self._moves:
            parameter.add_(move, alpha=sign)


def classification_loss(logits: torch.Tensor, labels: torch.Tensor, settings: Optimizer) -> torch.Tensor:
    """Binary cross-entropy of logits (N,) against labels (N,) of 0 and 1, smoothed."""
    smooth = settings.label_smoothing
    return binary_cross_entropy_with_logits(logits, labels * (1 - smooth) + smooth / 2)


def distillation_loss(logits: torch.Tensor, teacher: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Binary cross-entropy of logits (N,) against a teacher's (N,), both softened (Hinton et al., 2015, section 2).

    The factor ``temperature ** 2`` keeps the gradient's size at any temperature.
    """
    softened = binary_cross_entropy_with_logits(logits / temperature, torch.sigmoid(teacher / temperature))
    return softened * temperature**2


def learning_rate(images: int, *, total: int, settings: Optimizer) -> float:
    """Rate after ``images``: linear warm-up, then a half cosine down to ``final_lr`` (Loshchilov & Hutter, 2017)."""
    if images < settings.warmup_images:
        return settings.lr * (images + 1) / (settings.warmup_images + 1)
    done = (images - settings.warmup_images) / max(1, total - settings.warmup_images)
    return settings.final_lr + (settings.lr - settings.final_lr) * (1 + math.cos(math.pi * min(1.0, done))) / 2


def _decayed(network: torch.nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Parameter groups: matrices and kernels decay; gains, biases and the exceptions named by timm do not."""
    excepted: set[str] = getattr(network, "no_weight_decay", set)()
    kernels: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        (kernels if parameter.ndim > 1 and name not in excepted else others).append(parameter)
    return [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
