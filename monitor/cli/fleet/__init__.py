"""``deepfake-monitor fleet``: several machines, as one Ray cluster."""

from importlib.util import find_spec
from typing import ClassVar

import typer

from monitor.cli.lazy_group import LazyGroup
from monitor.errors import UsageError


class _FleetCommands(LazyGroup):
    package = "monitor.cli.fleet"
    summaries: ClassVar = {
        "analyze": "Analyse many files on a cluster: one result per file; the same command resumes.",
        "serve": "Serve the dashboard of streams that the nodes of a cluster watch.",
    }


app = typer.Typer(name="fleet", cls=_FleetCommands, no_args_is_help=True)


@app.callback()
def fleet() -> None:
    """Analyse an archive or watch many streams on several machines (Ray)."""
    if find_spec("ray") is None:
        raise UsageError("`fleet` needs Ray: pip install 'deepfake-monitor[fleet]'")
