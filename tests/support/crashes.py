"""Worker processes that crash where a test wants it."""

import sys
from pathlib import Path

_PROGRAM = """#!{python}
import os, runpy, sys
import {module} as module
module.{name} = lambda *_, **__: os.abort()
sys.argv = sys.argv[sys.argv.index("-m") + 1 :]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def crashing_python(folder: Path, module: str, name: str) -> str:
    """A ``sys.executable`` for worker processes, which crash when they call that function of that module."""
    program = folder / "crashing"
    program.write_text(_PROGRAM.format(python=sys.executable, module=module, name=name))
    program.chmod(0o755)
    return str(program)
