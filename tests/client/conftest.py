"""A real server on loopback with a service whose engines are loaded, and clients of it."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from support.footage import posed
from support.remote import Remote, remote_server

from monitor.analysis.pipeline import Engines


@pytest.fixture
def remote(tmp_path: Path, engines: Engines) -> Iterator[Remote]:
    with remote_server(tmp_path / "kept", engines) as server:
        yield server


@pytest.fixture
def png(tmp_path: Path) -> Path:
    """A picture with one face."""
    path = tmp_path / "talk.png"
    assert cv2.imwrite(str(path), posed((160, 120, 120), width=320, height=240)[..., ::-1])
    return path
