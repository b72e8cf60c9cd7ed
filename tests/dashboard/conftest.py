from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_page import Server, serving
from starlette.applications import Starlette
from starlette.testclient import TestClient

from monitor.dashboard.routes import ROUTES
from monitor.dashboard.station import Station


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The small page with the viewer and the webcam."""
    with serving() as running:
        yield running


@pytest.fixture
def client(station: Station) -> Iterator[TestClient]:
    """Asks the routes of a test's station."""
    with TestClient(Starlette(routes=ROUTES)) as client:
        yield client
