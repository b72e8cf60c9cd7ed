"""The two consoles (results on stdout, everything else on stderr) and the options that commands share."""

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.measure import Measurement

from monitor.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from monitor.settings import Settings

_WIDEST = 100_000  # characters of a line that is not cut

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="TOML file; default: ./deepfake-monitor.toml if it exists.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="STAGE.NAME=VALUE", help="Sets any setting; may be repeated.")
]
Backend = Annotated[
    str | None, typer.Option(help="Inference engine: auto, or a name from `engines list`.", show_default="auto")
]
MinFace = Annotated[int | None, typer.Option(help="Minimum face size, pixels.", show_default="40")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON output on stdout.")]


def print_table(table: "Table") -> None:
    """Prints a table on stdout: fitted to a terminal, but never cut in a pipe or a file.

    Another program, or a person with ``grep``, needs whole names.
    """
    if console.is_terminal:
        console.print(table)
        return
    needed = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
    wide = Console(file=StringIO(), highlight=False, width=max(console.width, needed))
    with wide.capture() as captured:
        wide.print(table)
    console.out(captured.get(), highlight=False, end="")


def describe_unexpected(error: Exception) -> str:
    """The sentence for an internal error."""
    return f"internal error: {error!r}; please report it with the output of `python -X dev -m monitor ...`"


def settings_from(
    file: Path | None, assignments: list[str] | None, *, backend: str | None = None, min_face: int | None = None
) -> "Settings":
    """Loads the settings from file, environment and command-line options.

    Raises:
        UsageError: an assignment is not STAGE.NAME=VALUE, or a value is invalid.
    """
    from monitor.settings import load_settings  # `--help` does not wait for pydantic

    overrides: dict[str, Any] = {"classifier.backend": backend, "detector.min_face_size": min_face}
    for assignment in assignments or ():
        name, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment}: expected STAGE.NAME=VALUE, for example --set tracker.max_age=2")
        overrides[name.strip()] = value.strip()
    return load_settings(file, overrides=overrides)
