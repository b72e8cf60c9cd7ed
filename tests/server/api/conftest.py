from collections.abc import Iterator
from pathlib import Path

import pytest
from support.api_client import api_service

from monitor.server.service import MonitorService


@pytest.fixture
def api(tmp_path: Path) -> Iterator[MonitorService]:
    """The service behind the API; it needs a key."""
    with api_service(tmp_path / "kept") as monitor_service:
        yield monitor_service
