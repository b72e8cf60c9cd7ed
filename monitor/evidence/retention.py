"""How long flags are kept: which of them have to go, and why.

Only flags that the program made and nobody looked at go by themselves. Whatever a person marked or reviewed stays until
a person deletes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from monitor.types import ClipState, Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from monitor.settings import EvidenceSettings
    from monitor.types import Flag

GIGABYTE: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Deletion:
    """A flag that has to go."""

    flag_id: str
    why: str
    size: int  # bytes of its files


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to go, oldest first."""

    deletions: tuple[Deletion, ...]
    used: int  # bytes of all files before
    over: int = 0  # bytes beyond the quota that are left, because what uses them is exempt

    @property
    def freed(self) -> int:
        """Bytes of the files that go."""
        return sum(deletion.size for deletion in self.deletions)

    def only(self, done: Iterable[Deletion]) -> Plan:
        """The plan as far as it was carried out."""
        return replace(self, deletions=tuple(done))


def exempt(flag: Flag) -> bool:
    """Whether a flag stays until a person deletes it, or its clip is still to come."""
    seen = flag.reviewed_at is not None or flag.opinion is not None
    return flag.origin is not Origin.AUTOMATIC or seen or flag.clip is ClipState.PENDING


def planned(flags: Sequence[Flag], sizes: Mapping[str, int], *, now: datetime, settings: EvidenceSettings) -> Plan:
    """Decide which flags go.

    First those that are too old, then the oldest others that have files until the rest fits the quota.

    Args:
        flags: all there are, in any order.
        sizes: by id, bytes of their files.
        now: with a time zone.
        settings: ``keep_days`` and ``max_gigabytes``.
    """
    candidates = sorted((flag for flag in flags if not exempt(flag)), key=lambda flag: (flag.created_at, flag.id))
    used = left = sum(sizes[flag.id] for flag in flags)
    quota = None if settings.max_gigabytes is None else settings.max_gigabytes * GIGABYTE
    age = None if settings.keep_days is None else timedelta(days=settings.keep_days)
    deletions = []
    for flag in candidates:
        size = sizes[flag.id]
        if age is not None and now - flag.created_at > age:
            why = f"nobody reviewed it in {settings.keep_days:g} days (evidence.keep_days)"
        elif quota is not None and left > quota and size:
            why = f"files beyond {settings.max_gigabytes:g} GB, nobody reviewed it (evidence.max_gigabytes)"
        else:
            continue
        deletions.append(Deletion(flag.id, why, size))
        left -= size
    over = 0 if quota is None else max(0, round(left - quota))
    return Plan(tuple(deletions), used=used, over=over)
