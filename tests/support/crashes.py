"""Worker processes that crash where a test wants it."""

import os
import sys
from pathlib import Path

from monitor.lab.datasets.record import Record
from monitor.lab.evaluation.outcomes import Outcome
from monitor.settings import Settings
from monitor.types import Label

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


def dies_of_bad(record: Record, settings: Settings) -> Outcome:
    """An analysis that takes its process with it; here, where a spawned process finds it without heavy imports."""
    if record.video_id == "bad":
        os._exit(9)
    return Outcome(
        dataset=record.dataset,
        id=record.video_id,
        path=str(record.path),
        label=record.label,
        method="",
        group="",
        decision=Label.LIKELY_REAL,
        probability=0.1,
        reasons=(),
    )
