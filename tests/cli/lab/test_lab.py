import subprocess
import sys
from collections.abc import Callable

import pytest

import monitor.cli.lab

Cli = Callable[..., "object"]
COMMANDS = (
    *("prepare", "sheet", "train", "speed", "calibrate", "evaluate"),
    *("robustness", "explain-check", "fairness", "compare", "import-mesonet"),
)


def test_every_command_is_there(cli: Cli) -> None:
    said = cli("lab", "--help")
    assert all(f" {command} " in said.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(cli: Cli, command: str) -> None:
    said = cli("lab", command, "--help")
    assert said.code == 0
    assert "Usage" in said.out


def test_without_its_extra_it_says_what_to_install(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor.cli.lab, "find_spec", lambda name: None if name == "scipy" else name)
    said = cli("lab", "sheet", "nowhere")
    assert said.code == 2
    assert "the laboratory needs scipy: pip install 'deepfake-monitor[lab]'" in said.err


def test_the_other_commands_do_not_pay_for_it() -> None:
    program = (
        "import importlib, pkgutil, sys, monitor.cli as package\n"
        "for one in pkgutil.iter_modules(package.__path__, 'monitor.cli.'): importlib.import_module(one.name)\n"
        "assert 'monitor.cli.analyze' in sys.modules\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'sklearn', 'matplotlib', 'timm', 'jinja2')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
