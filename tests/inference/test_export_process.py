import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from support.small_networks import small_classifier

from monitor.errors import EngineError
from monitor.inference.export_process import ExportProcess
from monitor.inference.network import Network

SCRIPT = """
import sys
from pathlib import Path
import monitor
from monitor.settings import Settings, SourceSettings
print("begins", flush=True)
report = monitor.analyze("demo:", settings=Settings(
    cache_dir=Path({cache!r}), classifier={{"model": "meso4"}}, source=SourceSettings(demo_seconds=2)
))
print(len(report.tracks), report.verdict.label)
"""


@pytest.mark.timeout(400)  # exports the face detector and the smallest classifier
def test_a_script_without_a_main_guard_runs_once_on_an_empty_cache(tmp_path: Path) -> None:
    script = tmp_path / "watch.py"
    script.write_text(SCRIPT.format(cache=str(tmp_path / "cache")))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("begins") == 1
    assert done.stdout.splitlines()[-1].startswith("1 ")


def test_one_process_exports_several_networks() -> None:
    with ExportProcess() as process:
        for digest in ("1" * 64, "2" * 64):
            onnx.checker.check_model(onnx.load_from_string(process.export(small_classifier(digest=digest))))


def dead() -> None:
    raise SystemExit(3)


def test_a_process_that_dies_is_an_engine_error() -> None:
    network = Network("fragile", "3" * 64, dead, (None, 3, 8, 8), ("y",))  # type: ignore[arg-type]
    with ExportProcess() as process, pytest.raises(EngineError, match="fragile could not be exported to ONNX"):
        process.export(network)
