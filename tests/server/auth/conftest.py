from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.visitors import PASSWORD, stations_in

from monitor.server.auth.user import Role
from monitor.server.service import MonitorService
from monitor.system.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(f"sqlite:///{tmp_path}/flags.db") as database:
        yield database


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., MonitorService]]:
    """Opens the service of this process with some accounts: ``opened(mode="password")``."""
    with stations_in(tmp_path / "kept") as open_station:

        def open_with_people(**access: Any) -> MonitorService:
            monitor_service = open_station(**access)
            for name, role in (("ada", Role.ADMIN), ("rob", Role.REVIEWER), ("eve", Role.VIEWER)):
                monitor_service.accounts.add(name, role=role, password=PASSWORD)
            return monitor_service

        yield open_with_people
