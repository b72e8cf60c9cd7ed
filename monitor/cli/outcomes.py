"""The results of several sources at the terminal, analysed on this machine or on a server."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.markup import escape
from rich.table import Table

from monitor.cli import event_lines
from monitor.cli.event_lines import SourceResult
from monitor.cli.terminal import console, errors, print_table
from monitor.errors import MonitorError, SourceUnavailableError
from monitor.media.sources import LeftOut, expand
from monitor.system.masking import printable
from monitor.types.formatting import percent


@dataclass(frozen=True, slots=True)
class SourceOutcome:
    """The result of one source, and the error if it could not be analysed to its end."""

    name: str  # masked
    result: SourceResult | None = None
    failure: MonitorError | None = None


def expand_sources(sources: Sequence[str]) -> tuple[list[str], list[LeftOut]]:
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


def print_outcome(outcome: SourceOutcome) -> None:
    """Prints the verdict, the spans and the files of one source, or its error."""
    if outcome.failure is not None:
        errors.print(f"[bold red]error:[/] {escape(str(outcome.failure))}")
    if outcome.result is not None:
        console.print(f"{escape(outcome.name)}: {event_lines.verdict_line(outcome.result.verdict)}")
        for line in event_lines.result_lines(outcome.result):
            console.print(line)


def print_end(outcomes: Sequence[SourceOutcome], left_out: Sequence[LeftOut], *, as_json: bool) -> None:
    """Prints the table of all sources and the files left out, or everything as JSON.

    Raises:
        typer.Exit: a source failed, or a file left out may hold a picture.
    """
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


def _table(outcomes: Sequence[SourceOutcome]) -> Table:
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


def _record(outcome: SourceOutcome) -> dict[str, object]:
    if outcome.result is None:
        return {"source": outcome.name, "error": str(outcome.failure)}
    return event_lines.result_record(outcome.name, outcome.result)


def _left_out_record(item: LeftOut) -> dict[str, object]:
    return {"source": printable(item.path), "left_out": item.why, "may_be_media": item.may_be_media}
