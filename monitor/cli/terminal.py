"""The two consoles: results on stdout, everything else on stderr."""

from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console
from rich.measure import Measurement

if TYPE_CHECKING:
    from rich.table import Table

_WIDEST = 100_000  # characters of a line that is not cut

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


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
