from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from monitor.server.routes import ROUTES
from monitor.server.service import MonitorService


@pytest.fixture
def client(monitor_service: MonitorService) -> Iterator[TestClient]:
    """Asks the routes of a test's service."""
    with TestClient(Starlette(routes=ROUTES)) as client:
        yield client
