"""The house's own rules: sizes, a test file per module, and a map that is true."""

import ast
from pathlib import Path

import pytest

import monitor

PACKAGE = Path(monitor.__file__).parent
TESTS = Path(__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MODULE_LINES, FUNCTION_LINES = 400, 60
# Tested where its behaviour is: as a process, through the command line, or by those who use it.
TESTED_ELSEWHERE = {"__init__", "__main__", "errors", "network"}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE.parent).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MODULE_LINES, "carve it by the noun it produces"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_LINES, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_has_tests(path: Path) -> None:
    if path.stem in TESTED_ELSEWHERE or "migrations" in path.parts:  # tests/flags/test_tables.py
        return
    parent = path.relative_to(PACKAGE).parent
    candidates = [TESTS / parent / f"test_{path.stem}.py", TESTS / parent / f"test_{parent.name}.py"]
    assert any(candidate.is_file() for candidate in candidates), f"no {candidates[0].relative_to(TESTS.parent)}"


@pytest.mark.parametrize("path", [p for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()])
def test_the_map_names_every_stage(path: Path) -> None:
    if path.stem not in ("__init__", "__main__"):
        assert path.stem in (monitor.__doc__ or ""), "draw it on the map in monitor/__init__.py"


def test_nothing_is_left_for_later() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error")
    found = [f"{name_of(p)}: {word}" for p in MODULES for word in words if word in p.read_text(encoding="utf-8")]
    assert found == []
