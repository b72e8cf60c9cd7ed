import subprocess
import sys
from pathlib import Path

import onnx
import pytest

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
    cache_dir=Path({cache!r}), classifier={{"model": "meso4"}}, source=SourceSettings(demo_seconds=1)
))
print(len(report.tracks), report.verdict.label)
"""

COLD_START = """
import subprocess, sys
from pathlib import Path
from monitor.faces.mtcnn.networks import mtcnn_networks
from monitor.inference.onnx_graph import export_in_child, onnx_graph
started = []
def start(*arguments, real=subprocess.Popen, **options):
    started.append(arguments)
    return real(*arguments, **options)
subprocess.Popen = start
with export_in_child():
    for network in (mtcnn_networks().pnet, mtcnn_networks().rnet):
        print(onnx_graph(network, cache_dir=Path(sys.argv[1])))
assert len(started) == 1, started
assert "torch" not in sys.modules, "torch was imported"
"""


@pytest.mark.timeout(400)  # exports the face detector and the smallest classifier
def test_a_script_without_a_main_guard_runs_once_on_an_empty_cache(tmp_path: Path) -> None:
    script = tmp_path / "watch.py"
    script.write_text(SCRIPT.format(cache=str(tmp_path / "cache")))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("begins") == 1
    assert done.stdout.splitlines()[-1].startswith("1 ")


def test_a_cold_start_exports_several_networks_in_one_process_and_imports_no_torch(tmp_path: Path) -> None:
    """The parent process counts the processes that it starts."""
    done = subprocess.run(
        [sys.executable, "-c", COLD_START, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    graphs = done.stdout.splitlines()
    assert len(set(graphs)) == 2
    for graph in graphs:
        onnx.checker.check_model(onnx.load(graph))


def dead() -> None:
    raise SystemExit(3)


def test_a_process_that_dies_is_an_engine_error() -> None:
    network = Network("fragile", "3" * 64, dead, (None, 3, 8, 8), ("y",))  # type: ignore[arg-type]
    with ExportProcess() as process, pytest.raises(EngineError, match="fragile could not be exported to ONNX"):
        process.export(network)
