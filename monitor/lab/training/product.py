"""The results of a training: weights, model card and learning curve.

The weights are the averaged weights with the best result on split "val", calibrated on that split. Split "test" is
not used here; ``lab evaluate`` reports on it.
"""

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor

from monitor.classifiers import architecture
from monitor.classifiers.weights import export_weights, read_weights
from monitor.errors import ExperimentError
from monitor.lab.evaluation.platt import fit_platt
from monitor.lab.training.experiment import Experiment
from monitor.lab.training.network import initial_network
from monitor.lab.training.trainer import Progress, best_weights
from monitor.lab.training.validation import Validator
from monitor.system.files import write_whole
from monitor.types.formatting import share

HISTORY: Final = "history.csv"
LICENCE: Final = "research use only, as the data that it was trained on"


def finish(experiment: Experiment, progress: Progress, *, roots: Sequence[Path], out: Path) -> Path:
    """Write weights and model card, as fp16, and ``history.csv``.

    Args:
        experiment: settings of the training.
        progress: with the validations.
        roots: folders of the experiment's sets.
        out: folder of the training.

    Returns:
        Path of the weights; the card lies beside them.

    Raises:
        ExperimentError: there was no validation yet.
        DatasetError: a class is missing in the sets.
        OutputError: the folder cannot be written.
    """
    best = best_weights(out, progress)
    if not best.is_file():
        raise ExperimentError(f"{experiment.name} was never validated: train longer than validation.every_images")
    state = read_weights(best, architecture=architecture(experiment.model).ARCHITECTURE)
    facts = _new_card(experiment, progress, state=state, roots=roots)
    weights = out / f"{experiment.model}.safetensors"
    digest = export_weights(state, weights)
    card = json.dumps(facts | {"weights_sha256": digest, "dtype": "float16"}, indent=2, ensure_ascii=False)
    write_whole(weights.with_suffix(".json"), card + "\n")
    write_whole(out / HISTORY, _history(progress))
    return weights


def _new_card(
    experiment: Experiment, progress: Progress, *, state: Mapping[str, Tensor], roots: Sequence[Path]
) -> dict[str, Any]:
    network = initial_network(dataclasses.replace(experiment, init="", batch_norm="trained", frozen_stages=0))
    network.load_state_dict(state)
    size = progress.best_size
    judged = Validator(experiment, roots=roots).judge(network.eval(), size=size)
    logits = np.concatenate([one.logits for one in judged])
    scale, shift = fit_platt(logits, np.concatenate([one.labels for one in judged]))
    sets = ", ".join(one.name for one in judged)
    return {
        "id": experiment.name,
        "architecture": architecture(experiment.model).ARCHITECTURE,
        "output": "one logit, positive = fake",
        "input": {
            "size": size,
            "channels": "RGB",
            "mean": experiment.normalisation[0],
            "std": experiment.normalisation[1],
            "resize": "area",
        },
        "crop": {
            "side_over_box_height": experiment.crops.side,
            "centre_below_box_centre_over_box_height": experiment.crops.centre,
        },
        "calibration": {"kind": "platt", "scale": scale, "shift": shift, "fitted_on": f"{sets}, split val"},
        "training": _training(experiment, progress),
        "metrics": {f"val_auc_{one.name}": _rounded(one.auc) for one in judged},
        "limits": experiment.notes or "Not evaluated yet. An indication, never proof.",
        "licence": LICENCE,
    }


def _training(experiment: Experiment, progress: Progress) -> dict[str, Any]:
    facts = dataclasses.asdict(experiment)
    return {
        "data": ", ".join(
            f"{data.name} (train split, share {data.share:g}, {share(data.pseudo_fakes)} pseudo-fakes)"
            for data in experiment.data
        ),
        "images_seen": progress.best_images,
        "images_trained": progress.images,
        "hours": round(progress.seconds / 3600, 2),
        "hardware": progress.hardware,
        "experiment": {name: value for name, value in facts.items() if name != "notes"},
        "experiment_sha256": experiment.digest,
        "date": datetime.now(UTC).date().isoformat(),
    }


def _history(progress: Progress) -> str:
    """The learning curve as CSV, one row per validation."""
    names = list(dict.fromkeys(name for row in progress.history for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _rounded(value) for name, value in row.items()} for row in progress.history)
    return text.getvalue()


def _rounded(value: float) -> float:
    return round(value, 4)
