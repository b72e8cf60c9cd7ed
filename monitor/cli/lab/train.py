"""``deepfake-monitor lab train``: train an experiment, with resume."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    experiment: Annotated[Path, typer.Argument(help="TOML file; see monitor/lab/experiments.")],
    data: Annotated[list[Path], typer.Option(help="Folder that holds the sets of face crops; may be repeated.")],
    out: Annotated[Path, typer.Option(help="Checkpoints and weights; a training found there goes on.")],
    minutes: Annotated[float | None, typer.Option(min=0, help="Stop after so long; run again to go on.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; default: a GPU if there is one.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all.")] = None,
) -> None:
    """Train a classifier: weights, model card, learning curve. The same command resumes an interrupted training."""
    from monitor.lab.training import command

    weights = command.train(experiment, data=data, out=out, minutes=minutes, device=device, threads=threads)
    if weights is not None:
        typer.echo(weights)
