"""The networks as values: their identity is known without importing torch."""

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from monitor.errors import WeightsMissingError
from monitor.faces.mtcnn import networks
from monitor.faces.mtcnn.networks import mtcnn_networks

ROOT = Path(__file__).parents[3]


def test_networks_have_names_shapes_and_outputs() -> None:
    networks = mtcnn_networks()
    assert [network.name for network in networks] == ["mtcnn_pnet", "mtcnn_rnet", "mtcnn_onet"]
    assert [network.input_shape for network in networks] == [
        (None, 3, None, None),
        (None, 3, 24, 24),
        (None, 3, 48, 48),
    ]
    for network in networks:
        batch = torch.full([size or 37 for size in network.input_shape], 99.0)
        with torch.inference_mode():
            assert len(network.build()(batch)) == len(network.outputs)


def test_the_digest_covers_weights_and_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [network.digest for network in mtcnn_networks()]
    assert before == [network.digest for network in mtcnn_networks()]
    assert len({*before}) == 3
    assert all(len(digest) == hashlib.sha256().digest_size * 2 for digest in before)
    monkeypatch.setattr(networks, "_REVISION", "next")
    assert not {*before} & {network.digest for network in mtcnn_networks()}


def test_a_digest_imports_neither_torch_nor_the_package() -> None:
    script = (
        "import sys; from monitor.faces.mtcnn.networks import mtcnn_networks; mtcnn_networks();"
        "print({'torch', 'torchvision', 'facenet_pytorch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"


def test_the_error_for_missing_weights_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsMissingError, match=r"pnet\.pt .* missing: pip install facenet-pytorch"):
        mtcnn_networks()
