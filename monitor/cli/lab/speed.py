"""``deepfake-monitor lab speed``: training speed of an experiment on this machine."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from monitor.cli.options import AsJson
from monitor.cli.terminal import console, errors, print_table
from monitor.types.formatting import share


def speed(
    experiment: Annotated[Path, typer.Argument(help="TOML file; see monitor/lab/experiments.")],
    data: Annotated[list[Path], typer.Option(help="Folder that holds the sets of face crops; may be repeated.")],
    steps: Annotated[int, typer.Option(min=2, help="Steps that are timed at each size.")] = 12,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Time some steps of each stage, without keeping the weights: images per second, by part, and share of the peak."""
    import torch

    from monitor.lab.training.experiment import read_experiment
    from monitor.lab.training.hardware import usable_device
    from monitor.lab.training.throughput import measure_throughput

    torch.set_num_threads(threads)
    plan, where, found = read_experiment(experiment), usable_device(device), []
    for stage in {stage.size: stage for stage in plan.stages}.values():
        with errors.status(f"training at {stage.size} px"):
            found.append(measure_throughput(plan, stage, roots=data, device=where, steps=steps))
    if as_json:
        typer.echo(json.dumps([asdict(one) | {"peak_share": one.peak_share} for one in found], indent=2))
        return
    table = Table(
        "size", "batch", "images/s", "ms per image", "GFLOP per image", "of the peak", box=None, pad_edge=False
    )
    for one in found:
        parts = ", ".join(f"{part} {spent:.1f}" for part, spent in one.milliseconds.items())
        of_peak = (
            f"{share(one.peak_share)} of {one.peak_gflops:.0f} GFLOP/s; learning alone {share(one.learning_share)}"
        )
        numbers = (f"{one.images_per_second:.1f}", parts, f"{one.gflop_per_image:.2f}", of_peak)
        table.add_row(str(one.size), str(one.batch), *numbers)
    console.print(
        f"{plan.model}, {found[0].precision}, {found[0].threads} threads, medians of {steps} steps", style="dim"
    )
    print_table(table)
