"""The documentation is true: the settings table is the program's, and every file that the README names exists.

``python tests/test_readme.py`` writes the table.
"""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from monitor.settings import Settings

README = Path(__file__).parent.parent / "README.md"
SETTINGS = README.parent / "docs" / "settings.md"
LONGEST = 160  # lines of the README
BEGIN, END = "<!-- settings: written by tests/test_readme.py -->\n", "<!-- /settings -->"


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


def shown(value: object) -> str:
    if value is None:
        return ""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def test_the_settings_table_is_the_programs() -> None:
    text = SETTINGS.read_text(encoding="utf-8")
    table = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
    assert table == settings_table(), "run: python tests/test_readme.py"


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8")))
def test_every_file_named_is_there(target: str) -> None:
    assert (README.parent / target).exists()


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= LONGEST, (
        "move what a first reader does not need to docs/"
    )


if __name__ == "__main__":
    before, after = (
        SETTINGS.read_text(encoding="utf-8").split(BEGIN)[0],
        SETTINGS.read_text(encoding="utf-8").split(END)[1],
    )
    SETTINGS.write_text(before + BEGIN + settings_table() + END + after, encoding="utf-8")
