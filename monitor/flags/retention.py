"""The deletion of old flags: age limits and quotas by class.

A flag belongs to one class, and each class has its own age limit and quota. A flag stays until a person deletes it if a
person created it, called it fake, or reviewed it without calling it a false alarm.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from monitor.settings import EvidenceSettings
from monitor.types import ClipState, Flag, Opinion, Origin

GIGABYTE: Final = 1_000_000_000


class RetentionClass(StrEnum):
    """The class of a flag for its retention rule."""

    UNREVIEWED = "unreviewed"  # created by the program, not reviewed
    FALSE_ALARM = "false alarm"  # created by the program, judged real by a person
    EXEMPT = "exempt"  # created by a person, or reviewed with another opinion, or its clip is pending

    @classmethod
    def of(cls, flag: Flag) -> "RetentionClass":
        """The class of a flag."""
        if flag.origin is not Origin.AUTOMATIC or flag.clip is ClipState.PENDING:
            return cls.EXEMPT
        if flag.opinion is Opinion.REAL:
            return cls.FALSE_ALARM
        return cls.UNREVIEWED if flag.reviewed_at is None and flag.opinion is None else cls.EXEMPT


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """The age limit and the quota of one class."""

    days: float | None  # None: no limit
    gigabytes: float | None  # None: no quota
    of_all: bool  # whether the quota counts the files of all flags, or only the files of this class
    why_old: str
    why_large: str


def rules(settings: EvidenceSettings) -> dict[RetentionClass, RetentionRule]:
    """The rule of each class that is not exempt, in the order of deletion."""
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
            why_old="not reviewed in {:g} days (evidence.keep_days)",
            why_large="files beyond {:g} GB, not reviewed (evidence.max_gigabytes)",
        ),
    }


@dataclass(frozen=True, slots=True)
class Deletion:
    """A flag to delete."""

    flag_id: str
    why: str
    size: int  # bytes of its files
    retention_class: RetentionClass


@dataclass(frozen=True, slots=True)
class Usage:
    """The number of flags and the disk space of a class."""

    flags: int
    size: int  # bytes of their files


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """The flags to delete, class by class, the oldest first."""

    deletions: tuple[Deletion, ...]
    held: Mapping[RetentionClass, Usage]  # of each class, before the deletions
    over: int = 0  # bytes beyond ``max_gigabytes`` after the deletions: the other flags are exempt

    @property
    def used(self) -> int:
        """Bytes of all files before the deletions."""
        return sum(usage.size for usage in self.held.values())

    @property
    def freed(self) -> int:
        """Bytes of the files to delete."""
        return sum(deletion.size for deletion in self.deletions)


def compute_usage(flags: Sequence[Flag], sizes: Mapping[str, int]) -> dict[RetentionClass, Usage]:
    """The usage of each class; ``sizes`` are bytes by id."""
    counts, sums = Counter[RetentionClass](), Counter[RetentionClass]()
    for flag in flags:
        retention_class = RetentionClass.of(flag)
        counts[retention_class] += 1
        sums[retention_class] += sizes[flag.id]
    return {each: Usage(counts[each], sums[each]) for each in RetentionClass}


def plan_deletions(
    flags: Sequence[Flag], sizes: Mapping[str, int], *, now: datetime, settings: EvidenceSettings
) -> RetentionPlan:
    """Selects the flags to delete.

    In each class, these are first all flags beyond the age limit, then the oldest flags with files until the rest fits
    the quota.

    Args:
        flags: all flags, in any order.
        sizes: bytes of their files, by id.
        now: with a time zone.
    """
    held = compute_usage(flags, sizes)
    used = left = sum(usage.size for usage in held.values())
    deletions: list[Deletion] = []
    for retention_class, rule in rules(settings).items():
        members = [flag for flag in flags if RetentionClass.of(flag) is retention_class]
        class_used = left if rule.of_all else held[retention_class].size
        selected = _select(members, sizes, now=now, rule=rule, used=class_used)
        deletions += [Deletion(flag.id, why, sizes[flag.id], retention_class) for flag, why in selected]
        left = used - sum(deletion.size for deletion in deletions)
    over = 0 if settings.max_gigabytes is None else max(0, round(left - settings.max_gigabytes * GIGABYTE))
    return RetentionPlan(tuple(deletions), held=held, over=over)


def _select(
    flags: Sequence[Flag], sizes: Mapping[str, int], *, now: datetime, rule: RetentionRule, used: int
) -> list[tuple[Flag, str]]:
    """The flags of one class to delete, each with the reason; ``used`` is the quota's current usage in bytes."""
    max_age = timedelta.max if rule.days is None else timedelta(days=rule.days)
    old = {flag.id for flag in flags if now - _age_start(flag) > max_age}
    quota = None if rule.gigabytes is None else rule.gigabytes * GIGABYTE
    left = used - sum(sizes[flag_id] for flag_id in old)
    selected = []
    for flag in sorted(flags, key=lambda flag: (_age_start(flag), flag.id)):
        if flag.id in old:
            selected.append((flag, rule.why_old.format(rule.days)))
        elif quota is not None and left > quota and sizes[flag.id]:
            selected.append((flag, rule.why_large.format(rule.gigabytes)))
            left -= sizes[flag.id]
    return selected


def _age_start(flag: Flag) -> datetime:
    """Age counts from the last review, so a flag reviewed today is not deleted tomorrow."""
    return flag.reviewed_at or flag.created_at
