import ast
from pathlib import Path

import monitor

ROOT = Path(monitor.__file__).parent


def imports_of_the_laboratory() -> dict[str, set[str]]:
    """Module -> modules of the laboratory that it imports, for type checkers too."""
    found = {}
    for file in (ROOT / "lab").rglob("*.py"):
        name = ".".join(("monitor", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        found[name] = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return found


def test_no_two_modules_of_the_laboratory_import_each_other() -> None:
    graph = imports_of_the_laboratory()
    assert len(graph) > 50
    pairs = {(one, other) for one, others in graph.items() for other in others if one in graph.get(other, set())}
    assert pairs == set()
