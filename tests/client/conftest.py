"""A real server on loopback with a service whose engines are loaded, and clients of it."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from support.api_client import API, api_server, api_service
from support.footage import posed
from support.remote import Remote

from monitor.analysis.pipeline import Engines


@pytest.fixture
def remote(tmp_path: Path, engines: Engines) -> Iterator[Remote]:
    with api_service(tmp_path / "kept") as monitor_service:
        monitor_service._engines = engines
        with api_server() as url:
            yield Remote(url.removesuffix(API), monitor_service)


@pytest.fixture
def png(tmp_path: Path) -> Path:
    """A picture with one face."""
    path = tmp_path / "talk.png"
    assert cv2.imwrite(str(path), posed((160, 120, 120), width=320, height=240)[..., ::-1])
    return path
