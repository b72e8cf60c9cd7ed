"""``deepfake-monitor fleet analyze``: many files on a cluster, one result per file."""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from monitor.cli import event_lines
from monitor.cli.options import Backend, MinFace, Set, SettingsFile, settings_from
from monitor.cli.terminal import console, errors
from monitor.errors import SourceError
from monitor.fleet.archive_sources import ArchiveSource, list_archive
from monitor.fleet.archive_worker import BatchPlan
from monitor.fleet.batch import CSV_FILE, BatchObserver, run_batch, shippable
from monitor.fleet.cluster import LOCAL, connect
from monitor.fleet.file_outcome import FileOutcome
from monitor.fleet.remote_store import is_store_url
from monitor.fleet.worker_pool import PoolSettings
from monitor.media.sources import LeftOut
from monitor.system.masking import mask
from monitor.types import Label

_ETA_WINDOW = 3600.0  # seconds of progress from which the remaining time is estimated: long files end rarely
_UNKNOWN_SIZE = 1 << 20  # bytes that a source of unknown size counts in the progress


def analyze(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders, s3://bucket/prefix, or @FILE with one address a line."),
    ] = None,
    manifest: Annotated[
        list[Path] | None, typer.Option(help="Text or CSV file with one address a line; may be repeated.")
    ] = None,
    address: Annotated[
        str, typer.Option(help="Cluster: local starts Ray here; auto, ray://HOST:10001, or HOST:6379 join one.")
    ] = LOCAL,
    out: Annotated[str, typer.Option(help="Folder that all nodes share, or URL such as s3://bucket/results.")] = (
        "results"
    ),
    video: Annotated[bool, typer.Option(help="Write annotated.mp4.")] = True,  # noqa: FBT002 - a flag
    workers: Annotated[int | None, typer.Option(min=1, help="Files at the same time; default: one per CPU.")] = None,
    gpu: Annotated[
        float, typer.Option(min=0, max=1, help="Share of a GPU for each worker, e.g. 0.25; 0: workers use CPUs.")
    ] = 0.0,
    backend: Backend = None,
    min_face: MinFace = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
) -> None:
    """Analyse many files on a cluster: one result per file; the same command resumes.

    Each file gets the files of `analyze` in a folder of its own, and done.json. What is done is not done again, unless
    the file, the settings, the weights or the program changed. results.csv lists all files.
    """
    settings = shippable(settings_from(settings_file, assignments, backend=backend, min_face=min_face))
    files, left_out = list_archive(sources or [], manifest or [])
    plan = BatchPlan(settings, out=out if is_store_url(out) else str(Path(out).absolute()), video=video)
    with ExitStack() as stack:
        with errors.status("starting Ray" if address == LOCAL else f"joining the cluster {mask(address)}"):
            ray = stack.enter_context(connect(address, cpus=workers))
        shown = _BatchProgress(stack.enter_context(_progress()), files)
        outcomes = run_batch(
            ray,
            files,
            plan=plan,
            pool=PoolSettings(workers=workers, gpu_share=gpu),
            observer=BatchObserver(shown.add, warn=shown.warn),
        )
    _print_end(outcomes, left_out, out=out)


class _BatchProgress:
    """The progress bar, in bytes because files differ in length, and a line for each file that failed."""

    def __init__(self, progress: Progress, files: Sequence[ArchiveSource]) -> None:
        self._progress, self._files, self._done = progress, len(files), 0
        total = sum(map(_weight, files))
        self._task: TaskID = progress.add_task(f"loading engines, {self._files} files", total=total)

    def add(self, outcome: FileOutcome, source: ArchiveSource) -> None:
        """Counts a file."""
        self._done += 1
        self._progress.update(self._task, advance=_weight(source), description=f"{self._done} of {self._files} files")
        if outcome.error is not None:
            errors.print(f"[bold red]error:[/] {escape(outcome.error)}")

    def warn(self, sentence: str) -> None:
        """Prints a sentence about a node."""
        errors.print(f"[yellow]warning:[/] {escape(sentence)}")


def _weight(source: ArchiveSource) -> int:
    return source.size or _UNKNOWN_SIZE


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors, transient=True, speed_estimate_period=_ETA_WINDOW)


def _print_end(outcomes: Sequence[FileOutcome], left_out: Sequence[LeftOut], *, out: str) -> None:
    """Prints the summary.

    Raises:
        typer.Exit: a file failed, or a file left out may hold a picture.
    """
    for item in left_out:
        errors.print(f"[{'bold red' if item.may_be_media else 'dim'}]left out:[/] {escape(str(item))}")
    labels = Counter(Label(outcome.label) for outcome in outcomes if outcome.label is not None)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    counts = [f"{labels[label]} {event_lines.styled(label)}" for label in Label if labels[label]]
    counts += [f"[bold red]{len(failed)} failed[/]"] if failed else []
    earlier = sum(outcome.earlier for outcome in outcomes)
    of_earlier = f" ({earlier} done before)" if earlier else ""
    console.print(f"{len(outcomes)} files{of_earlier}: {', '.join(counts)}")
    console.print(f"  {escape(mask(out.rstrip('/')))}/{CSV_FILE}")
    codes = [outcome.exit_code for outcome in failed]
    codes += [SourceError.exit_code for item in left_out if item.may_be_media]
    if codes:
        raise typer.Exit(min(codes))
