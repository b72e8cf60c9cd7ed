"""Somebody at the dashboard, and how much they may do there."""

from dataclasses import dataclass
from enum import Enum
from functools import total_ordering


@total_ordering
class Role(Enum):
    """What somebody may do; each may all that the ones before it may."""

    VIEWER = "viewer"  # look
    REVIEWER = "reviewer"  # flag, judge flags, upload, export
    ADMIN = "admin"  # sources, deletion, the machine

    def __str__(self) -> str:
        return self.value

    def __lt__(self, other: "Role") -> bool:
        return _ORDER.index(self) < _ORDER.index(other)


_ORDER = tuple(Role)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who is let in."""

    name: str  # what goes into flags and logs; "": nobody signs in here
    role: Role
