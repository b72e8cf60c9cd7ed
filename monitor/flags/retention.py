"""How long flags are kept: which of them have to go, and why.

A flag belongs to one class, and each class has its own days and its own quota. Whatever a person marked, called fake,
or looked at without calling it a false alarm stays until a person deletes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from monitor.types import ClipState, Flag, Opinion, Origin

if TYPE_CHECKING:
    from monitor.settings import EvidenceSettings

GIGABYTE: Final = 1_000_000_000


class RetentionClass(StrEnum):
    """Which class a flag belongs to."""

    UNREVIEWED = "unreviewed"  # the program made it, nobody looked at it
    FALSE_ALARM = "false alarm"  # the program made it, a person says that the face is real
    EXEMPT = "exempt"  # a person made it or thinks otherwise of it, or its clip is still to come

    @classmethod
    def of(cls, flag: Flag) -> RetentionClass:
        """The class of a flag."""
        if flag.origin is not Origin.AUTOMATIC or flag.clip is ClipState.PENDING:
            return cls.EXEMPT
        if flag.opinion is Opinion.REAL:
            return cls.FALSE_ALARM
        return cls.UNREVIEWED if flag.reviewed_at is None and flag.opinion is None else cls.EXEMPT


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """How long, and how much of, one class is kept."""

    days: float | None  # None: for ever
    gigabytes: float | None  # None: any number
    of_all: bool  # whether the quota is on the files of all flags, or on those of the class alone
    why_old: str
    why_large: str


def rules(settings: EvidenceSettings) -> dict[RetentionClass, RetentionRule]:
    """The rule of each class that is not exempt, in the order in which they make room."""
    return {
        RetentionClass.FALSE_ALARM: RetentionRule(
            days=settings.false_alarm_days,
            gigabytes=settings.false_alarm_gigabytes,
            of_all=False,
            why_old="called a false alarm more than {:g} days ago (evidence.false_alarm_days)",
            why_large="files of false alarms beyond {:g} GB (evidence.false_alarm_gigabytes)",
        ),
        RetentionClass.UNREVIEWED: RetentionRule(
            days=settings.keep_days,
            gigabytes=settings.max_gigabytes,
            of_all=True,
            why_old="nobody reviewed it in {:g} days (evidence.keep_days)",
            why_large="files beyond {:g} GB, nobody reviewed it (evidence.max_gigabytes)",
        ),
    }


@dataclass(frozen=True, slots=True)
class Deletion:
    """A flag that has to go."""

    flag_id: str
    why: str
    size: int  # bytes of its files
    keeping: RetentionClass


@dataclass(frozen=True, slots=True)
class Usage:
    """How much is kept of a class."""

    flags: int
    size: int  # bytes of their files


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What has to go: class by class, the oldest first."""

    deletions: tuple[Deletion, ...]
    held: Mapping[RetentionClass, Usage]  # of each class, before
    over: int = 0  # bytes beyond ``max_gigabytes`` that are left, because what uses them is kept longer

    @property
    def used(self) -> int:
        """Bytes of all files before."""
        return sum(stock.size for stock in self.held.values())

    @property
    def freed(self) -> int:
        """Bytes of the files that go."""
        return sum(deletion.size for deletion in self.deletions)

    def only(self, done: Iterable[Deletion]) -> RetentionPlan:
        """The plan as far as it was carried out."""
        return replace(self, deletions=tuple(done))


def stock(flags: Sequence[Flag], sizes: Mapping[str, int]) -> dict[RetentionClass, Usage]:
    """What each class has; ``sizes`` are bytes by id."""
    counts, sums = Counter[RetentionClass](), Counter[RetentionClass]()
    for flag in flags:
        keeping = RetentionClass.of(flag)
        counts[keeping] += 1
        sums[keeping] += sizes[flag.id]
    return {keeping: Usage(counts[keeping], sums[keeping]) for keeping in RetentionClass}


def planned(
    flags: Sequence[Flag], sizes: Mapping[str, int], *, now: datetime, settings: EvidenceSettings
) -> RetentionPlan:
    """Decide which flags go.

    In each class first those that are too old, then the oldest others that have files until the rest fits the quota.

    Args:
        flags: all there are, in any order.
        sizes: by id, bytes of their files.
        now: with a time zone.
        settings: days and gigabytes of each class.
    """
    held = stock(flags, sizes)
    used = left = sum(kept.size for kept in held.values())
    deletions: list[Deletion] = []
    for keeping, rule in rules(settings).items():
        members = [flag for flag in flags if RetentionClass.of(flag) is keeping]
        going = _going(members, sizes, now=now, rule=rule, used=left if rule.of_all else held[keeping].size)
        deletions += [Deletion(flag.id, why, sizes[flag.id], keeping) for flag, why in going]
        left = used - sum(deletion.size for deletion in deletions)
    over = 0 if settings.max_gigabytes is None else max(0, round(left - settings.max_gigabytes * GIGABYTE))
    return RetentionPlan(tuple(deletions), held=held, over=over)


def _going(
    flags: Sequence[Flag], sizes: Mapping[str, int], *, now: datetime, rule: RetentionRule, used: int
) -> list[tuple[Flag, str]]:
    """Flags of one class that go, each with the reason; ``used`` is in bytes, of what the quota is on."""
    age = timedelta.max if rule.days is None else timedelta(days=rule.days)
    old = {flag.id for flag in flags if now - _since(flag) > age}
    room = None if rule.gigabytes is None else rule.gigabytes * GIGABYTE
    left = used - sum(sizes[flag_id] for flag_id in old)
    found = []
    for flag in sorted(flags, key=lambda flag: (_since(flag), flag.id)):
        if flag.id in old:
            found.append((flag, rule.why_old.format(rule.days)))
        elif room is not None and left > room and sizes[flag.id]:
            found.append((flag, rule.why_large.format(rule.gigabytes)))
            left -= sizes[flag.id]
    return found


def _since(flag: Flag) -> datetime:
    """Since when it is what it is: what is called a false alarm today is not gone tomorrow because it is old."""
    return flag.reviewed_at or flag.created_at
