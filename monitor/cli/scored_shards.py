"""Scores the prepared face crops that a command names, with a progress bar."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress

from monitor.cli.terminal import errors
from monitor.errors import UsageError
from monitor.settings import Settings

if TYPE_CHECKING:  # the laboratory and the engines load when a command runs
    from monitor.analysis.pipeline import Engines
    from monitor.lab.evaluation.outcomes import Outcome


def score_shards(source: Path, *, split: str, engines: "Engines", settings: Settings) -> tuple[str, list["Outcome"]]:
    """Outcomes of the crops in a folder of face shards, and the name of the material for reports.

    Raises:
        UsageError: the folder holds no prepared crops.
    """
    from monitor.lab.evaluation.crops import crop_outcomes
    from monitor.lab.evaluation.material import open_material

    material = open_material(source, split=split)
    if material.faces is None:
        raise UsageError(f"{source} holds no prepared crops: name a folder of face shards (lab prepare)")
    with Progress(console=errors, transient=True) as progress:
        task = progress.add_task(material.name, total=len(material))
        outcomes = crop_outcomes(
            material.faces, engines=engines, settings=settings.verdict, on_done=partial(progress.advance, task)
        )
    return f"{material.name}, split {material.split or 'all'}", outcomes
