"""The command line: ``deepfake-monitor serve | analyze | watch | flags | webhooks | people | engines | bench | ...``.

Exit codes: 0 done; 1 the work failed (no weights, no engine, no space); 2 usage; 3 some source
could not be read; 130 interrupted.
"""

import logging
import sys
from pathlib import Path
from typing import Annotated, ClassVar

import typer
from rich.logging import RichHandler
from rich.markup import escape

import monitor
from monitor.cli.lazy_group import LazyGroup
from monitor.cli.terminal import describe_unexpected, errors
from monitor.errors import MonitorError, UsageError
from monitor.system.logs import TextFormatter


class _MainCommands(LazyGroup):
    package = "monitor.cli"
    summaries: ClassVar = {
        "serve": (
            "Monitor sources and show them in a browser; Ctrl-C or SIGTERM stops within five seconds and saves "
            "the clips."
        ),
        "analyze": "Analyse every frame and write report.json, timeline.csv and annotated.mp4.",
        "watch": "Watch live sources side by side, or play files as if they were live; Ctrl-C ends it cleanly.",
        "bench": "Compare with a naive loop: facenet-pytorch's MTCNN and an eager classifier on every frame.",
        "capacity": "Measure how many live streams this machine holds, and what limits it.",
        "doctor": "Check versions, engines, cameras and write access, and score two known faces.",
        "engines": "List, build, verify, benchmark and clean the inference engines of this machine.",
        "flags": "List, show, export, verify and delete flagged moments, or export feedback.",
        "webhooks": "Send events to other programs: add, test and remove their addresses, retry dead letters.",
        "people": "Manage the accounts of the dashboard (access.mode=password) and API keys, and show the audit log.",
        "notifications": "Check the targets of notifications (notifications.targets).",
        "fleet": "Analyse an archive or watch many streams on several machines (Ray).",
        "lab": "Prepare and inspect data; train, evaluate and compare classifiers.",
    }
    remote: ClassVar = {"analyze": "monitor.cli.remote_analyze"}


app = typer.Typer(
    name="deepfake-monitor",
    cls=_MainCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it
    if asked:
        typer.echo(f"deepfake-monitor {monitor.__version__}")
        raise typer.Exit


@app.callback()
def deepfake_monitor(
    *,
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Run the command (analyze) on this server, e.g. http://host:8501.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help="File with the server's API key; default: the environment variable DEEPFAKE_MONITOR_KEY."),
    ] = None,
) -> None:
    """Monitors a camera, a stream or a video, and rates over time whether each face looks manipulated."""
    if key_file is not None and server is None:
        raise UsageError("--key-file holds the key of a server: name the server with --server")


def main() -> None:
    """Runs the command line; a failure is one sentence and an exit code, never a traceback."""
    handler = RichHandler(level=logging.WARNING, console=errors)
    handler.setFormatter(TextFormatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    try:
        app()
    except MonitorError as error:
        errors.print(f"[bold red]error:[/] {escape(str(error))}")
        sys.exit(error.exit_code)
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        errors.print(f"[bold red]error:[/] {escape(describe_unexpected(error))}")
        sys.exit(1)
