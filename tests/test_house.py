"""The house's own rules: sizes, a test file per module, and a map that is true."""

import ast
from collections import Counter
from pathlib import Path

import monitor

PACKAGE = Path(monitor.__file__).parent
TESTS = Path(__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MODULE_LINES, FUNCTION_LINES = 400, 60
# Tested where its behaviour is: as a process, through the command line, or by those who use it.
TESTED_ELSEWHERE = {"__init__", "__main__", "errors", "network"}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE.parent).as_posix()


def test_modules_stay_small() -> None:
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > MODULE_LINES} == {}, "carve by the noun it produces"


def test_functions_stay_small() -> None:
    functions = (
        (f"{name_of(path)}: {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert {name: length for name, length in functions if length > FUNCTION_LINES} == {}


def test_every_module_has_tests() -> None:
    assert [name_of(path) for path in MODULES if not has_tests(path)] == []


def has_tests(path: Path) -> bool:
    if path.stem in TESTED_ELSEWHERE or "migrations" in path.parts:  # tests/system/test_database.py
        return True
    parent = path.relative_to(PACKAGE).parent
    return any((TESTS / parent / f"test_{name}.py").is_file() for name in (path.stem, parent.name))


def test_the_map_names_every_room() -> None:
    rooms = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
    missing = [room for room in sorted(rooms - {"__init__", "__main__"}) if room not in (monitor.__doc__ or "")]
    assert missing == [], "draw it on the map in monitor/__init__.py"


def test_class_names_exist_once() -> None:
    """Private ones too: a name found by search is one thing."""
    classes = [
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    assert sorted(name for name, count in Counter(classes).items() if count > 1) == []


def test_nothing_is_left_for_later() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error")
    found = [f"{name_of(p)}: {word}" for p in MODULES for word in words if word in p.read_text(encoding="utf-8")]
    assert found == []
