from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.server import service
from monitor.server.service import MonitorService
from monitor.settings import Settings


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[MonitorService]:
    """The service of the pages, with an archive of its own and no source."""
    opened = service.MonitorService.open(Settings(evidence={"folder": tmp_path / "evidence"}))
    service.install(opened)
    yield opened
    service.install(None)
    opened.close()
