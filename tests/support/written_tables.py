"""Tables of the documentation that a test writes: they stand between two comments."""

from collections.abc import Callable, Mapping
from pathlib import Path


def within(page: Path, table: str, *, by: str) -> str:
    """The table as it stands on a page."""
    return _split(page.read_text(encoding="utf-8"), table, by=by)[1]


def write(page: Path, tables: Mapping[str, Callable[[], str]], *, by: str) -> None:
    """Write all tables of a page anew."""
    for name, made in tables.items():
        before, _, after = _split(page.read_text(encoding="utf-8"), name, by=by)
        page.write_text(before + made() + after, encoding="utf-8")


def _split(text: str, table: str, *, by: str) -> tuple[str, str, str]:
    """The text before a table, the table, and the text after it; both markers stay outside."""
    begin, end = f"<!-- {table}: written by {by} -->\n", f"<!-- /{table} -->"
    before, found, rest = text.partition(begin)
    inside, closed, after = rest.partition(end)
    assert found, f"the page has no {begin!r}"
    assert closed, f"the page has no {end!r}"
    return before + begin, inside, end + after
