"""``deepfake-monitor analyze``: report, timeline and annotated video of a finite source."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from monitor import api
from monitor.analysis.pipeline import Engines
from monitor.cli import terminal
from monitor.cli.options import AsJson, Backend, MinFace, Set, SettingsFile, settings_from
from monitor.cli.outcomes import SourceOutcome, expand_sources, print_end, print_outcome
from monitor.cli.terminal import errors
from monitor.errors import MonitorError, UsageError
from monitor.media.sources import open_isolated
from monitor.media.sources.address import known_examples
from monitor.settings import Settings
from monitor.system.masking import mask
from monitor.types import Frame, Observation, SourceInfo


def analyze(
    sources: Annotated[list[str], typer.Argument(help=f"Files, folders of files, or addresses: {known_examples()}.")],
    out: Annotated[Path, typer.Option(help="Parent folder; each source gets its own folder there.")] = Path("results"),
    video: Annotated[bool, typer.Option(help="Write annotated.mp4.")] = True,  # noqa: FBT002 - a flag
    backend: Backend = None,
    min_face: MinFace = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Analyse every frame and write report.json, timeline.csv and annotated.mp4.

    A folder is searched with its subfolders; what is left out is listed with the reason. An unreadable source is
    reported and the others continue; the exit code is then 3, or 1 after another failure.
    """
    settings = settings_from(settings_file, assignments, backend=backend, min_face=min_face)
    with errors.status("loading engines (the first start builds them: up to a minute)"):
        engines = api.load_engines(settings)
    names, left_out = expand_sources(sources)
    outcomes = []
    for name in names:
        outcome = _attempt(name, engines=engines, settings=settings, out=out, video=video)
        outcomes.append(outcome)
        if not as_json:
            print_outcome(outcome)
    print_end(outcomes, left_out, as_json=as_json)


def _attempt(name: str, *, engines: Engines, settings: Settings, out: Path, video: bool) -> SourceOutcome:
    try:
        with open_isolated(name, settings.source) as source, _progress() as progress:
            _require_end(source.info)
            task = progress.add_task(escape(source.info.name), total=source.info.frame_count)
            sinks = [_Advance(progress, task)]
            result = api.analyze(source, settings=settings, engines=engines, out=out, video=video, sinks=sinks)
        return SourceOutcome(mask(name), result=result, failure=result.failure)
    except MonitorError as error:
        return SourceOutcome(mask(name), failure=error)
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        return SourceOutcome(mask(name), failure=MonitorError(f"{mask(name)}: {terminal.describe_unexpected(error)}"))


def _require_end(info: SourceInfo) -> None:
    if info.live:
        raise UsageError(
            f"{info.name}: this source is live and has no end; use `deepfake-monitor watch`, and --duration to stop it"
        )


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors, transient=True)


class _Advance:
    """A sink that moves the progress bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def __call__(self, frame: Frame, observation: Observation) -> None:  # noqa: ARG002 - a sink
        """Advances the bar by one frame."""
        self._progress.advance(self._task)
