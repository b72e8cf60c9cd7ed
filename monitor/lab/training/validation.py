"""Validation of the averaged weights on crops of split "val", cut as in the live path."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from monitor.classifiers.crops import cut_squares
from monitor.errors import DatasetError
from monitor.lab.datasets.faceset import FaceSet
from monitor.lab.fakes.blends import Blended, self_blended
from monitor.lab.fakes.degradations import Degradation
from monitor.lab.fakes.jitter import recrop_landmarks
from monitor.lab.training.batches import generator, normalised
from monitor.lab.training.experiment import Experiment
from monitor.lab.training.pairs import find_set, stored_crop
from monitor.types import Floats

_BATCH = 32
_SEED = 20


@dataclass(frozen=True, slots=True, eq=False)
class ValidationLogits:
    """Logits of one set of crops."""

    name: str
    logits: Floats  # (N,)
    labels: NDArray[np.int64]  # (N,) 1 = fake

    @property
    def auc(self) -> float:
        """Area under the ROC curve; NaN if there is only one class."""
        if len(np.unique(self.labels)) < 2:
            return math.nan
        return float(roc_auc_score(self.labels, self.logits))


class Validator:
    """Validates a network on the crops of split "val".

    Args:
        experiment: names the sets and the crop policy.
        roots: folders of the sets.

    Raises:
        DatasetError: a set is missing or damaged, or has one class only.
    """

    def __init__(self, experiment: Experiment, *, roots: Sequence[Path]) -> None:
        wanted = experiment.validation.sets or tuple(data.name for data in experiment.data if data.pseudo_fakes < 1)
        if not wanted:
            raise DatasetError("there is nothing to validate on: name sets with both classes in validation.sets")
        self._experiment = experiment
        self._sets = [
            _limited(FaceSet.open(find_set(name, roots=roots), splits={"val"}), experiment.validation.limit)
            for name in dict.fromkeys(wanted)
        ]
        for faces in self._sets:
            _require_both(faces)
            for row in range(len(faces)):
                stored_crop(faces, row)  # fail now on a damaged crop, not after hours

    @property
    def folders(self) -> list[Path]:
        """Folders of the sets."""
        return [faces.folder for faces in self._sets]

    @property
    def digest(self) -> str:
        """Hash of the validation crops and their geometry."""
        return "".join(faces.digest for faces in self._sets)

    def judge(self, network: torch.nn.Module, *, size: int) -> list[ValidationLogits]:
        """Logits of ``network`` on every set at ``size`` pixels."""
        return [self._judge(faces, network, size=size) for faces in self._sets]

    def judge_self_blended(self, network: torch.nn.Module, *, size: int) -> ValidationLogits:
        """Logits on the real crops of all sets and on a self-blended copy of each, both degraded the same way."""
        logits: list[Floats] = []
        labels: list[int] = []
        for images, blended, light in self._self_blended(next(network.parameters()).device, size=size):
            for half, label in ((images, 0), (blended.images, 1)):
                logits.append(self._logits(network, light.apply(half)))
                labels += [label] * len(half)
        return ValidationLogits("self-blended", np.concatenate(logits), np.array(labels))

    def _self_blended(self, device: torch.device, *, size: int) -> Iterator[tuple[torch.Tensor, Blended, Degradation]]:
        """Yields real crops of all sets, their self-blended copies and a degradation for both; deterministic."""
        for number, faces in enumerate(self._sets):
            reals = [row for row, face in enumerate(faces.rows) if face.label == 0]
            for batch, rows in enumerate(_chunks(reals)):
                images, landmarks = (part.to(device) for part in self._pictures(faces, rows, size=size))
                rng = generator(device, _SEED, number, batch)
                blended = self_blended(images, landmarks, generator=rng)
                yield images, blended, Degradation.draw(len(rows), size=size, generator=rng, strength=0.5)

    def _judge(self, faces: FaceSet, network: torch.nn.Module, *, size: int) -> ValidationLogits:
        device = next(network.parameters()).device
        logits = [
            self._logits(network, self._pictures(faces, rows, size=size)[0].to(device))
            for rows in _chunks(range(len(faces)))
        ]
        labels = np.array([face.label for face in faces.rows], np.int64)
        return ValidationLogits(faces.folder.name, np.concatenate(logits), labels)

    def _pictures(self, faces: FaceSet, rows: Sequence[int], *, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Crops (N, 3, S, S) in [0, 1] and landmarks (N, 5, 2)."""
        policy = self._experiment.crops
        crops, points = [], []
        for row in rows:
            pixels, landmarks = stored_crop(faces, row)
            square = faces.square(pixels.shape[0], side=policy.side, centre=policy.centre)
            crops.append(cut_squares(pixels, square, size=size)[0])
            points.append(recrop_landmarks(torch.from_numpy(landmarks)[None], torch.from_numpy(square), size=size))
        return torch.from_numpy(np.stack(crops).transpose(0, 3, 1, 2)).float() / 255, torch.cat(points)

    @torch.inference_mode()
    def _logits(self, network: torch.nn.Module, images: torch.Tensor) -> Floats:
        pictures = normalised(images, self._experiment).contiguous(memory_format=torch.channels_last)
        logits = network(pictures)
        return np.asarray(logits.float().flatten().cpu().numpy(), np.float32)


def _require_both(faces: FaceSet) -> None:
    for label, name in enumerate(("real", "fake")):
        if not any(face.label == label for face in faces.rows):
            raise DatasetError(f"{faces.folder} has no {name} face in split val: validation needs both classes")


def _limited(faces: FaceSet, limit: int) -> FaceSet:
    """At most ``limit`` crops in whole groups; a deterministic choice."""
    groups = sorted({face.group for face in faces.rows})
    order = np.random.default_rng(_SEED).permutation(len(groups))
    sizes: dict[str, int] = {}
    for face in faces.rows:
        sizes[face.group] = sizes.get(face.group, 0) + 1
    kept: set[str] = set()
    total = 0
    for place in order:
        if total + sizes[groups[place]] <= limit or not kept:
            kept.add(groups[place])
            total += sizes[groups[place]]
    return faces.select(lambda face: face.group in kept)


def _chunks(rows: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(rows), _BATCH):
        yield rows[start : start + _BATCH]
