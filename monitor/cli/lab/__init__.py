"""``deepfake-monitor lab``: prepare and inspect data; train, evaluate and compare classifiers."""

from importlib.util import find_spec
from typing import ClassVar

import typer

from monitor.cli.lazy_group import LazyGroup
from monitor.errors import UsageError

_NEEDED = ("matplotlib", "scipy", "sklearn")


class _LabCommands(LazyGroup):
    package = "monitor.cli.lab"
    summaries: ClassVar = {
        "prepare": "Cut face crops as the monitor does, with splits that share no person and no video.",
        "sheet": (
            "Draw a contact sheet: real crops, pseudo-fakes with mask and difference, coverings, a degraded pair."
        ),
        "train": (
            "Train a classifier: weights, model card, learning curve. The same command resumes an interrupted training."
        ),
        "autoencoders": (
            "Train the autoencoders that re-make faces for neural pseudo-fakes (fakes.neural of an experiment)."
        ),
        "speed": (
            "Time some steps of each stage, without keeping the weights: images per second, by part, and share "
            "of the peak."
        ),
        "calibrate": "Fit Platt scaling on single scores, and show its effect.",
        "evaluate": "Measure the shipped pipeline on labelled videos, or its classifier on prepared face crops.",
        "card": (
            "Write ROC, reliability, scores, preset error rates and the heartbeat's reference logits into the card."
        ),
        "domains": ("Measure AUC by clip for each generator and each source of genuine footage, with 95 % intervals."),
        "ranges": (
            "Measure the activation ranges on real crops, at every input size of the card, and write them to a table."
        ),
        "robustness": "Measure AUC, its drop and the abstentions for every perturbation at five levels.",
        "explain-check": (
            "Measure the evidence map on fakes with a known manipulated area, and compare it with uninformed baselines."
        ),
        "fairness": "False alarms on real faces by age band, sex and race, from UTKFace's file names (age_sex_race_*).",
        "compare": (
            "Compare classifiers on the same crops: accuracy, precision, recall, F1 and AUC with intervals, "
            "speed, size."
        ),
        "committee": "Fit non-negative weights of several classifiers' log-odds, and show the AUC of each set.",
        "import-mesonet": "Convert the MesoNet authors' Keras weights to this program's weights and model card.",
    }


app = typer.Typer(name="lab", cls=_LabCommands, no_args_is_help=True)


@app.callback()
def lab() -> None:
    """Prepare and inspect data; train, evaluate and compare classifiers."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(f"the laboratory needs {', '.join(missing)}: pip install 'deepfake-monitor[lab]'")
