"""Both branches of the door, each in a process of its own: what torch is told there stays there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.models.facenet import facenet_pytorch

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
from monitor.models import facenet
package = facenet.facenet_pytorch()
assert package is facenet.facenet_pytorch()
print(package.MARK, len(facenet._libraries))
"""


def open_door(folder: Path, torchvision: str) -> subprocess.CompletedProcess[str]:
    """Open the door where ``torchvision`` is the text of that package and facenet_pytorch imports it."""
    (folder / "torchvision.py").write_text(torchvision)
    (folder / "facenet_pytorch.py").write_text("import torchvision\nMARK = 'opened'\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}
    command = [sys.executable, "-W", "error", "-c", DOOR]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=100)


def test_a_whole_torchvision_is_left_alone(tmp_path: Path) -> None:
    done = open_door(tmp_path, DECLARE + REGISTER)
    assert done.stdout.split() == ["opened", "0"], done.stderr


def test_missing_operators_are_declared_once(tmp_path: Path) -> None:
    done = open_door(tmp_path, REGISTER)
    assert done.stdout.split() == ["opened", "1"], done.stderr


@pytest.mark.parametrize(
    "failure", ["raise RuntimeError('libjpeg is missing')", "raise ImportError('libjpeg is missing')"]
)
def test_any_other_failure_is_heard(tmp_path: Path, failure: str) -> None:
    done = open_door(tmp_path, failure)
    assert done.returncode == 1
    assert "libjpeg is missing" in done.stderr


def test_the_real_package_has_what_is_used_of_it() -> None:
    package = facenet_pytorch()
    for name in ("InceptionResnetV1", "MTCNN"):
        assert callable(getattr(package, name))
    for name in ("PNet", "RNet", "ONet"):
        assert callable(getattr(package.models.mtcnn, name))
