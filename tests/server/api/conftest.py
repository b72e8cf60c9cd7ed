from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.api_client import api_service

from monitor.errors import StoreError
from monitor.server.service import MonitorService


@pytest.fixture
def api(tmp_path: Path) -> Iterator[MonitorService]:
    """The service behind the API; it needs a key."""
    with api_service(tmp_path / "kept") as monitor_service:
        yield monitor_service


@pytest.fixture
def break_audit(api: MonitorService, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, no line can be written into the audit log."""

    def refuse(*_: object, **__: object) -> None:
        raise StoreError("the disk is full: free some space")

    return lambda: monkeypatch.setattr(api.audit, "note", refuse)
