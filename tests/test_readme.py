"""The documentation is true: the settings tables are the program's, and every file that the README names exists.

``python tests/test_readme.py`` writes the tables.
"""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from support.written_tables import within, write

from monitor.settings import Settings
from monitor.settings.old_names import MOVED_TO_CARD, OLD_NAMES, OLD_NAMES_UNTIL

README = Path(__file__).parent.parent / "README.md"
SETTINGS = README.parent / "docs" / "settings.md"
BY = "tests/test_readme.py"
LONGEST = 160  # lines of the README


def settings_table() -> str:
    """Every setting with its default and meaning, as Markdown."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for group, field in Settings.model_fields.items():
        stage = field.default
        if not isinstance(stage, BaseModel):
            rows.append(f"| `{group}` | {shown(stage)} | {field.description} |")
            continue
        for name, setting in type(stage).model_fields.items():
            rows.append(f"| `{group}.{name}` | {shown(setting.default)} | {setting.description} |")
    return "\n".join(rows) + "\n"


def old_names_table() -> str:
    """Every setting that was renamed or moved, as Markdown."""
    rows = [f"| `{old}` | `{new}` |" for old, new in OLD_NAMES.items()]
    rows += [f"| `{old}` | model card: `{new}` |" for old, new in MOVED_TO_CARD.items()]
    return "\n".join(["| old name | new name |", "|---|---|", *rows]) + "\n"


TABLES = {"settings": settings_table, "old names": old_names_table}


def shown(value: object) -> str:
    if value is None:
        return ""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize("table", TABLES)
def test_the_settings_tables_are_the_programs(table: str) -> None:
    assert within(SETTINGS, table, by=BY) == TABLES[table](), "run: python tests/test_readme.py"


def test_the_settings_page_says_until_when_old_names_work() -> None:
    assert f"The old names work until version {OLD_NAMES_UNTIL}," in SETTINGS.read_text(encoding="utf-8")


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8")))
def test_every_file_named_is_there(target: str) -> None:
    assert (README.parent / target).exists()


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= LONGEST, (
        "move what a first reader does not need to docs/"
    )


if __name__ == "__main__":
    write(SETTINGS, TABLES, by=BY)
