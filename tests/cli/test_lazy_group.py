import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from monitor.cli import app, lab
from monitor.cli.lazy_group import LazyCommand, LazyGroup

HEAVY = ("alembic", "av", "cv2", "numpy", "onnxruntime", "pydantic_settings", "sqlalchemy", "streamlit", "torch")


PROGRAM = """
import contextlib, sys, monitor.cli
for line in ("--help", "analyse", "lab", "serve --help", "serve --prot"):
    sys.argv = ["deepfake-monitor", *line.split()]
    with contextlib.suppress(SystemExit):
        monitor.cli.main()
        raise AssertionError(line)
print(*sys.modules, file=sys.stderr)
"""


def test_help_and_wrong_names_import_nothing_heavy() -> None:
    command = [sys.executable, "-c", PROGRAM]
    said = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    modules = set(said.stderr.splitlines()[-1].split())
    assert {"monitor.cli.lab", "monitor.cli.serve"} <= modules
    assert modules.isdisjoint(HEAVY)


@pytest.mark.parametrize("group", [app, lab.app])
def test_the_list_shows_the_first_line_of_each_commands_own_help(group: object) -> None:
    found = get_command(group)  # type: ignore[arg-type]
    assert isinstance(found, LazyGroup)
    for name, command in found.commands.items():
        assert isinstance(command, LazyCommand)
        loaded = command.load()
        assert loaded.name == name
        assert loaded.help.partition("\n")[0] == command.help


def test_every_module_of_a_command_is_listed() -> None:
    folder = Path(lab.__file__).parent
    modules = {file.stem.replace("_", "-") for file in folder.glob("*.py")} - {"--init--"}
    assert modules == set(get_command(lab.app).commands)  # type: ignore[attr-defined]
