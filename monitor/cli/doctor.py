"""``deepfake-monitor doctor``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from monitor.cli.options import AsJson, Backend, Set, SettingsFile, settings_from
from monitor.cli.terminal import print_table
from monitor.doctor import Severity, examine

_MARKS = {Severity.OK: "[green]ok[/]", Severity.WARNING: "[yellow]warning[/]", Severity.FAILURE: "[bold red]failure[/]"}


def doctor(
    out: Annotated[Path, typer.Option(help="Folder for results; checked for write access.")] = Path("results"),
    backend: Backend = None,
    settings_file: SettingsFile = None,
    assignments: Set = None,
    as_json: AsJson = False,  # noqa: FBT002 - a command-line flag
) -> None:
    """Check versions, engines, cameras and write access, and score two known faces.

    The exit code is 1 if a required part does not work.
    """
    settings = settings_from(settings_file, assignments, backend=backend)
    findings = list(examine(settings, out=out))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for finding in findings:
            table.add_row(finding.question, _MARKS[finding.health], escape(finding.answer))
        print_table(table)
    if any(finding.health is Severity.FAILURE for finding in findings):
        raise typer.Exit(1)
