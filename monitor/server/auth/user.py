"""Users of the dashboard and their roles."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import total_ordering


@total_ordering
class Role(Enum):
    """A set of rights; each role includes the rights of the roles above it in this list."""

    VIEWER = "viewer"  # see all pages
    REVIEWER = "reviewer"  # flag, review flags, upload, export
    ADMIN = "admin"  # manage sources, delete flags, see the audit log, check the machine

    def __str__(self) -> str:
        return self.value

    def __lt__(self, other: "Role") -> bool:
        return _ORDER.index(self) < _ORDER.index(other)


_ORDER = tuple(Role)


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in user."""

    name: str  # for flags and logs; "" without a sign-in
    role: Role
    password_at: datetime | None = field(default=None, compare=False)  # UTC: change of the password that was given
