"""Both branches of the import, each in a separate process, because torch keeps the declared operators."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Imports like the real torchvision: fake kernels for operators that its binary part has declared, or not.
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
    """Run the import with the given text as the package ``torchvision`` and two packages that import it."""
    (folder / "torchvision.py").write_text(torchvision)
    for name in ("facenet_pytorch", "timm"):
        (folder / f"{name}.py").write_text(f"import torchvision\nMARK = '{name}'\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}
    command = [sys.executable, "-W", "error", "-c", DOOR]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=100)


def test_a_complete_torchvision_is_unchanged(tmp_path: Path) -> None:
    done = open_door(tmp_path, DECLARE + REGISTER)
    assert done.stdout.split() == ["facenet_pytorch", "timm", "0"], done.stderr


def test_missing_operators_are_declared_once(tmp_path: Path) -> None:
    done = open_door(tmp_path, REGISTER)
    assert done.stdout.split() == ["facenet_pytorch", "timm", "1"], done.stderr


@pytest.mark.parametrize(
    "failure", ["raise RuntimeError('libjpeg is missing')", "raise ImportError('libjpeg is missing')"]
)
def test_other_import_errors_pass_through(tmp_path: Path, failure: str) -> None:
    done = open_door(tmp_path, failure)
    assert done.returncode == 1
    assert "libjpeg is missing" in done.stderr
