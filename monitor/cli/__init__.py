"""The command line: ``deepfake-monitor serve | analyze | watch | flags | people | engines | bench | doctor | lab``.

Exit codes: 0 done; 1 the work failed (no weights, no engine, no space); 2 usage; 3 some source
could not be read; 130 interrupted.
"""

import logging
import sys

import typer
from rich.logging import RichHandler
from rich.markup import escape

from monitor.cli import analyze, bench, doctor, engines, flags, lab, people, serve, watch
from monitor.cli.terminal import describe_unexpected, errors
from monitor.errors import MonitorError
from monitor.system.logs import TextFormatter

app = typer.Typer(
    name="deepfake-monitor",
    help="Monitors a camera, a stream or a video, and rates over time whether each face looks manipulated.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("analyze")(analyze.analyze)
app.command("watch")(watch.watch)
app.command("bench")(bench.bench)
app.command("doctor")(doctor.doctor)
app.add_typer(engines.app)
app.add_typer(flags.app)
app.add_typer(people.app)
app.add_typer(lab.app)


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
