"""``deepfake-monitor analyze``: report, timeline and annotated video of a finite source."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from monitor import api
from monitor.analysis.pipeline import Engines
from monitor.cli import event_lines, terminal
from monitor.cli.options import AsJson, Backend, MinFace, Set, SettingsFile, settings_from
from monitor.cli.terminal import console, errors, print_table
from monitor.errors import MonitorError, SourceUnavailableError, UsageError
from monitor.media.sources import LeftOut, expand, open_isolated
from monitor.media.sources.address import known_examples
from monitor.results.report import Report
from monitor.settings import Settings
from monitor.system.masking import mask, printable
from monitor.types import Frame, Observation, SourceInfo
from monitor.types.formatting import percent


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The result of one source, and the error if it could not be analysed to its end."""

    name: str  # masked
    result: Report | None = None
    failure: MonitorError | None = None


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
    outcomes = []
    names, left_out = _expand(sources)
    for name in names:
        outcome = _attempt(name, engines=engines, settings=settings, out=out, video=video)
        outcomes.append(outcome)
        if not as_json:
            _print(outcome)
    if as_json:
        records = [*map(_record, outcomes), *map(_left_out_record, left_out)]
        typer.echo(json.dumps(records, indent=2, ensure_ascii=False))
    else:
        if len(outcomes) > 1:
            print_table(_table(outcomes))
        for item in left_out:
            errors.print(f"[{'bold red' if item.may_be_media else 'dim'}]left out:[/] {escape(str(item))}")
    failures = [outcome.failure for outcome in outcomes if outcome.failure is not None]
    failures += [SourceUnavailableError(str(item)) for item in left_out if item.may_be_media]
    if failures:
        raise typer.Exit(min(failure.exit_code for failure in failures))


def _expand(sources: list[str]) -> tuple[list[str], list[LeftOut]]:
    """The sources, with the files of each folder in its place, and the files left out.

    A source that cannot be expanded is returned as is, and fails when it is opened.
    """
    names: list[str] = []
    left_out: list[LeftOut] = []
    for source in sources:
        try:
            files, others = expand(source)
        except MonitorError:
            names.append(source)
        else:
            names += files
            left_out += others
    return names, left_out


def _attempt(name: str, *, engines: Engines, settings: Settings, out: Path, video: bool) -> _Outcome:
    try:
        with open_isolated(name, settings.source) as source, _progress() as progress:
            _require_end(source.info)
            task = progress.add_task(escape(source.info.name), total=source.info.frame_count)
            sinks = [_Advance(progress, task)]
            result = api.analyze(source, settings=settings, engines=engines, out=out, video=video, sinks=sinks)
        return _Outcome(mask(name), result=result, failure=result.failure)
    except MonitorError as error:
        return _Outcome(mask(name), failure=error)
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        return _Outcome(mask(name), failure=MonitorError(f"{mask(name)}: {terminal.describe_unexpected(error)}"))


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


def _print(outcome: _Outcome) -> None:
    if outcome.failure is not None:
        errors.print(f"[bold red]error:[/] {escape(str(outcome.failure))}")
    if outcome.result is not None:
        console.print(f"{escape(outcome.name)}: {event_lines.verdict_line(outcome.result.verdict)}")
        for line in event_lines.result_lines(outcome.result):
            console.print(line)


def _table(outcomes: list[_Outcome]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("source", overflow="fold")
    for title in ("verdict", "P(fake)", "faces", "suspicious spans", "frames"):
        table.add_column(title, no_wrap=True)
    for outcome in outcomes:
        name, result = escape(_short(outcome.name)), outcome.result
        if result is None:
            table.add_row(name, "[red]could not be analysed[/]")
            continue
        verdict = result.verdict
        probability = "" if verdict.probability is None else percent(verdict.probability)
        counts = (len(result.tracks), len(result.segments), result.frames.frames_analysed)
        table.add_row(name, event_lines.styled(verdict.label), probability, *map(str, counts))
    return table


def _short(name: str) -> str:
    return name if ":" in name else Path(name).name


def _record(outcome: _Outcome) -> dict[str, object]:
    if outcome.result is None:
        return {"source": outcome.name, "error": str(outcome.failure)}
    return event_lines.result_record(outcome.name, outcome.result)


def _left_out_record(item: LeftOut) -> dict[str, object]:
    return {"source": printable(item.path), "left_out": item.why, "may_be_media": item.may_be_media}
