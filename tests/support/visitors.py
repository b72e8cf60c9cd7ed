"""Users of the dashboard, for its tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from monitor.server import service as stations
from monitor.server.auth.accounts import Accounts
from monitor.server.auth.user import Role, User
from monitor.server.service import MonitorService
from monitor.settings import AccessSettings, EvidenceSettings, Settings

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery"  # noqa: S105


def token_of(monitor_service: MonitorService, role: Role = Role.ADMIN, *, name: str = "") -> str:
    """The token of a page of a user with this role."""
    token = monitor_service.sessions.create_token()
    assert monitor_service.sessions.join(token, monitor_service.sessions.begin(User(name, role)))
    return token


@contextmanager
def stations_in(folder: Path) -> Iterator[Callable[..., MonitorService]]:
    """Opens the service of this process, ``open_station(mode="password")``, with a fast password hash."""
    with ExitStack() as kept:

        def open_station(**access: Any) -> MonitorService:
            settings = Settings(evidence=EvidenceSettings(folder=folder), access=AccessSettings(**access))
            monitor_service = MonitorService.open(settings)
            kept.callback(monitor_service.close)
            monitor_service.accounts = Accounts(monitor_service.archive.store.database, hasher=QUICK)
            stations.install(monitor_service)
            return monitor_service

        kept.callback(stations.install, None)
        yield open_station
