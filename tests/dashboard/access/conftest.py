from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from visitors import PASSWORD, QUICK

from monitor.dashboard import station as stations
from monitor.dashboard.access.accounts import Accounts
from monitor.dashboard.access.person import Role
from monitor.dashboard.station import Station
from monitor.evidence.store import FlagStore
from monitor.settings import AccessSettings, EvidenceSettings, Settings


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FlagStore]:
    with FlagStore.open(f"sqlite:///{tmp_path}/flags.db") as store:
        yield store


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Station]]:
    """Opens the station of this process, with people in it: ``opened(mode="password")``."""
    stations_opened: list[Station] = []

    def open_station(**access: Any) -> Station:
        settings = Settings(evidence=EvidenceSettings(folder=tmp_path / "kept"), access=AccessSettings(**access))
        station = Station.open(settings)
        stations_opened.append(station)
        station.accounts = Accounts(station.archive.store, hasher=QUICK)
        for name, role in (("ada", Role.ADMIN), ("rob", Role.REVIEWER), ("eve", Role.VIEWER)):
            station.accounts.add(name, role=role, password=PASSWORD)
        stations.install(station)
        return station

    yield open_station
    stations.install(None)
    for station in stations_opened:
        station.close()
