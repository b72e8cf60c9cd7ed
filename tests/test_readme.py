"""The README tells the truth: its settings table is the program's, and every file it names is there.

``python tests/test_readme.py`` writes the table.
"""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from monitor.settings import Settings

README = Path(__file__).parent.parent / "README.md"
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
    text = README.read_text(encoding="utf-8")
    table = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
    assert table == settings_table(), "run: python tests/test_readme.py"


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8")))
def test_every_file_named_is_there(target: str) -> None:
    assert (README.parent / target).exists()


if __name__ == "__main__":
    before, after = README.read_text(encoding="utf-8").split(BEGIN)[0], README.read_text(encoding="utf-8").split(END)[1]
    README.write_text(before + BEGIN + settings_table() + END + after, encoding="utf-8")
