"""Both branches of the door, each in a process of its own: what torch is told there stays there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.errors import ModelError
from monitor.inference import foreign

ROOT = Path(__file__).parents[2]

# What the real torchvision does at import: fake kernels for operators that its binary part has declared, or not.
REGISTER = """
import torch
@torch.library.register_fake("torchvision::nms")
def _nms(dets, scores, iou_threshold):
    return dets
"""
DECLARE = """
import torch
_library = torch.library.Library("torchvision", "DEF")
_library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
DOOR = """
import sys
from monitor.inference import foreign
first, second = foreign.foreign_package("facenet_pytorch"), foreign.foreign_package("timm")
assert first is foreign.foreign_package("facenet_pytorch")
print(first.MARK, second.MARK, len(foreign._libraries))
"""


def open_door(folder: Path, torchvision: str) -> subprocess.CompletedProcess[str]:
    """Open the door where ``torchvision`` is the text of that package and two others import it."""
    (folder / "torchvision.py").write_text(torchvision)
    for name in ("facenet_pytorch", "timm"):
        (folder / f"{name}.py").write_text(f"import torchvision\nMARK = '{name}'\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}
    command = [sys.executable, "-W", "error", "-c", DOOR]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=100)


def test_a_whole_torchvision_is_left_alone(tmp_path: Path) -> None:
    done = open_door(tmp_path, DECLARE + REGISTER)
    assert done.stdout.split() == ["facenet_pytorch", "timm", "0"], done.stderr


def test_missing_operators_are_declared_once(tmp_path: Path) -> None:
    done = open_door(tmp_path, REGISTER)
    assert done.stdout.split() == ["facenet_pytorch", "timm", "1"], done.stderr


@pytest.mark.parametrize(
    "failure", ["raise RuntimeError('libjpeg is missing')", "raise ImportError('libjpeg is missing')"]
)
def test_any_other_failure_is_heard(tmp_path: Path, failure: str) -> None:
    done = open_door(tmp_path, failure)
    assert done.returncode == 1
    assert "libjpeg is missing" in done.stderr


def test_a_missing_timm_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(foreign, "foreign_package", absent)
    with pytest.raises(ModelError, match=r"pip install 'deepfake-monitor\[lab\]'"):
        foreign.timm()


def test_what_timm_itself_misses_is_another_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ModuleNotFoundError("No module named 'yaml'", name="yaml")

    monkeypatch.setattr(foreign, "foreign_package", broken)
    with pytest.raises(ModuleNotFoundError, match="yaml"):
        foreign.timm()
