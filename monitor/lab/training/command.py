"""The training command: progress and validations on stderr, and the path of the weights as result.

It needs only torch, OpenCV and rich, so that it also runs where the rest of this program is not installed.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from monitor.types.formatting import share

if TYPE_CHECKING:
    from monitor.lab.training.trainer import Progress as Reached
    from monitor.lab.training.trainer import Trainer

_errors = Console(stderr=True, highlight=False, soft_wrap=True)


def train(
    experiment: Path,
    *,
    data: Sequence[Path],
    out: Path,
    minutes: float | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> Path | None:
    """Train the experiment of a TOML file, or resume the training in ``out``.

    Args:
        experiment: the file.
        data: folders of its face-crop sets.
        out: folder of checkpoints and weights.
        minutes: time limit; None: no limit.
        device: "cpu" or "cuda"; default: a GPU if there is one.
        threads: of a CPU; default: all.

    Returns:
        Path of the weights, with the card beside them; None before the first validation.

    Raises:
        MonitorError: see ``Trainer`` and ``finish``.
    """
    from monitor.lab.training.curves import Curves
    from monitor.lab.training.experiment import read_experiment
    from monitor.lab.training.product import finish
    from monitor.lab.training.trainer import Trainer

    plan = read_experiment(experiment)
    with _errors.status("opening the sets of face crops"):
        trainer = Trainer(plan, roots=data, out=out, device=device, threads=threads)
    _errors.print(_beginning(trainer))
    with Curves(out, validations=len(trainer.progress.history)) as curves, image_bar() as bar, _asked_to_stop() as stop:
        task = bar.add_task("images", total=plan.images, completed=trainer.progress.images)

        told = len(trainer.progress.history)

        def on_step(reached: Reached, loss: float) -> bool:
            nonlocal told
            bar.update(task, completed=reached.images, description=f"loss {loss:.3f}")
            curves.add(reached, loss)
            for row in reached.history[told:]:
                bar.console.print(_validation(row))
            told = len(reached.history)
            return not stop

        progress = trainer.run(minutes=minutes, on_step=on_step)
        curves.add_validations(progress)
    state = "finished" if trainer.done else "stopped, run the same command to go on"
    _errors.print(
        f"{state}: {progress.images:,} of {plan.images:,} images, {progress.seconds / 3600:.2f} hours of work"
    )
    if not progress.history:
        every = plan.validation.every_images
        _errors.print(f"no weights yet: they are first validated after {every:,} images (validation.every_images)")
        return None
    return finish(plan, progress, roots=data, out=out)


def _beginning(trainer: Trainer) -> str:
    precision = "bf16" if trainer.half else "fp32"
    reached = f", going on after {trainer.progress.images:,} images" if trainer.progress.images else ""
    lines = [f"{trainer.experiment.name}: {trainer.experiment.model} on {trainer.device.type}, {precision}{reached}"]
    for stream in trainer.streams:
        mated = f", {stream.mated:,} of them with somebody else, their original is not there" if stream.mated else ""
        kind = "pairs to be made" if stream.pairs[0, 1] < 0 else "labelled pairs"
        lines.append(
            f"{stream.faces.folder.name}: {len(stream.pairs):,} {kind} ({share(stream.share)} of a batch){mated}"
        )
    return "\n".join(lines)


def _validation(row: dict[str, float]) -> str:
    areas = ", ".join(f"{name.removeprefix('auc_')} {value:.3f}" for name, value in row.items() if name[:4] == "auc_")
    return f"{row['images']:,.0f} images, {row['hours']:.2f} h, {row['size']:.0f} px: val AUC {areas}"


def image_bar() -> Progress:
    """A progress bar on stderr with description, count and remaining time; it vanishes at the end."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=_errors, transient=True)


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """A list that is empty until SIGINT or SIGTERM; the current step is then finished and saved.

    A second signal stops at once.
    """
    asked: list[int] = []

    def ask(kind: int, _frame: object) -> None:
        asked.append(kind)
        signal.signal(kind, before[signal.Signals(kind)])

    before = {kind: signal.signal(kind, ask) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
