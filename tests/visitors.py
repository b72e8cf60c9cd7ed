"""People at the dashboard, for its tests."""

from __future__ import annotations

from argon2 import PasswordHasher

from monitor.dashboard.access.person import Person, Role
from monitor.dashboard.station import Station

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery"  # noqa: S105


def token_of(station: Station, role: Role = Role.ADMIN, *, name: str = "") -> str:
    """The token of a page that somebody of this role looks at."""
    token = station.sessions.token()
    assert station.sessions.join(token, station.sessions.begin(Person(name, role)))
    return token
