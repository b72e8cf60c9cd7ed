from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.flagging import BEGIN, flag

from monitor.flags.retention import RetentionClass, RetentionPlan, Usage, compute_usage, plan_deletions
from monitor.settings import EvidenceSettings
from monitor.types import ClipState, Flag, Opinion, Origin

NOW = BEGIN + timedelta(days=10)


def automatic(number: int = 0, **changes: Any) -> Flag:
    return flag(number, **{"origin": Origin.AUTOMATIC, "reporter": "", "clip": ClipState.KEPT} | changes)


def plan(*flags: Flag, size: int = 400_000_000, **settings: float) -> RetentionPlan:
    sizes = {one.id: size for one in flags}
    return plan_deletions(flags, sizes, now=NOW, settings=EvidenceSettings.model_validate(settings))


def ids(found: RetentionPlan) -> list[str]:
    return [deletion.flag_id for deletion in found.deletions]


def test_without_settings_everything_stays() -> None:
    held = {keeping: Usage(0, 0) for keeping in RetentionClass} | {RetentionClass.UNREVIEWED: Usage(2, 800_000_000)}
    assert plan(automatic(0), automatic(1)) == RetentionPlan((), held=held)


def test_an_old_unreviewed_flag_is_deleted() -> None:
    young = automatic(2, created_at=NOW - timedelta(days=6.9))
    found = plan(automatic(1), young, automatic(0), keep_days=7)
    assert ids(found) == [flag(0).id, flag(1).id]
    assert found.deletions[0].why == "not reviewed in 7 days (evidence.keep_days)"
    assert found.freed == 800_000_000


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": Origin.PERSON},
        {"reviewed_at": BEGIN, "reviewed_by": "bob"},
        {"opinion": Opinion.UNSURE},
        {"opinion": Opinion.FAKE},
        {"origin": Origin.PERSON, "opinion": Opinion.REAL},
        {"clip": ClipState.PENDING},
        {"clip": ClipState.PENDING, "opinion": Opinion.REAL},
    ],
)
def test_an_exempt_flag_stays_and_the_excess_is_reported(changes: dict[str, Any]) -> None:
    one = automatic(0, **changes)
    assert RetentionClass.of(one) is RetentionClass.EXEMPT
    assert RetentionClass.of(automatic(0)) is RetentionClass.UNREVIEWED
    limits = {"keep_days": 1, "max_gigabytes": 0.1, "false_alarm_days": 1, "false_alarm_gigabytes": 0.1}
    found = plan(one, automatic(1), **limits)
    assert ids(found) == [flag(1).id]
    assert found.over == 300_000_000


def test_the_quota_deletes_the_oldest_and_no_more_than_needed() -> None:
    found = plan(automatic(3), automatic(0), automatic(1), flag(2), max_gigabytes=1)
    assert ids(found) == [flag(0).id, flag(1).id]
    assert found.deletions[0].why == "files beyond 1 GB, not reviewed (evidence.max_gigabytes)"
    assert (found.used, found.over) == (1_600_000_000, 0)


def false_alarm(number: int, *, days_ago: float, **changes: Any) -> Flag:
    """An automatic flag, called a false alarm so long ago."""
    return automatic(
        number, opinion=Opinion.REAL, reviewed_at=NOW - timedelta(days=days_ago), reviewed_by="bob", **changes
    )


def test_each_class_has_its_own_age_limit() -> None:
    flags = automatic(0), false_alarm(1, days_ago=4), false_alarm(2, days_ago=2), flag(3, opinion=Opinion.FAKE)
    assert ids(plan(*flags, keep_days=7)) == [flag(0).id]
    found = plan(*flags, false_alarm_days=3)
    assert ids(found) == [flag(1).id]
    assert found.deletions[0].why == "called a false alarm more than 3 days ago (evidence.false_alarm_days)"
    assert ids(plan(*flags, keep_days=7, false_alarm_days=1)) == [flag(1).id, flag(2).id, flag(0).id]


def test_age_counts_from_the_last_review() -> None:
    one = false_alarm(0, days_ago=0.1)
    assert NOW - one.created_at > timedelta(days=3)
    assert ids(plan(one, false_alarm_days=3)) == []


def test_the_quota_of_false_alarms_counts_their_own_files() -> None:
    flags = [automatic(0), false_alarm(1, days_ago=1), false_alarm(2, days_ago=3), flag(3)]
    found = plan(*flags, false_alarm_gigabytes=0.5)
    assert ids(found) == [flag(2).id], "the one that was called so first"
    assert found.deletions[0].why == "files of false alarms beyond 0.5 GB (evidence.false_alarm_gigabytes)"
    assert found.over == 0


def test_deleted_false_alarms_make_room_for_unreviewed_flags() -> None:
    flags = [automatic(0), false_alarm(1, days_ago=9)]
    assert ids(plan(*flags, max_gigabytes=0.5)) == [flag(0).id]
    assert ids(plan(*flags, max_gigabytes=0.5, false_alarm_days=3)) == [flag(1).id]


def test_the_usage_of_each_class() -> None:
    flags = [automatic(0), automatic(1), false_alarm(2, days_ago=1), flag(3)]
    sizes = {one.id: 10**number for number, one in enumerate(flags)}
    assert compute_usage(flags, sizes) == {
        RetentionClass.UNREVIEWED: Usage(2, 11),
        RetentionClass.FALSE_ALARM: Usage(1, 100),
        RetentionClass.EXEMPT: Usage(1, 1000),
    }


def test_flags_deleted_by_age_make_room() -> None:
    young = automatic(1, created_at=NOW)
    found = plan(automatic(0), young, keep_days=7, max_gigabytes=0.4)
    assert ids(found) == [flag(0).id]


def test_a_flag_without_files_frees_nothing() -> None:
    flags = [automatic(0), automatic(1)]
    sizes = {flags[0].id: 0, flags[1].id: 2_000_000_000}
    found = plan_deletions(flags, sizes, now=NOW, settings=EvidenceSettings(max_gigabytes=1))
    assert ids(found) == [flag(1).id]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 10**9), st.floats(0, 20)), max_size=12),
    st.none() | st.floats(0.5, 15),
    st.none() | st.floats(0.001, 3),
)
def test_exempt_flags_stay_and_the_quota_is_met_or_reported(
    facts: list[tuple[bool, int, float]], keep_days: float | None, max_gigabytes: float | None
) -> None:
    flags = [
        automatic(number, created_at=NOW - timedelta(days=age), origin=Origin.PERSON if person else Origin.AUTOMATIC)
        for number, (person, _, age) in enumerate(facts)
    ]
    sizes = {one.id: size for one, (_, size, _) in zip(flags, facts, strict=True)}
    settings = EvidenceSettings(keep_days=keep_days, max_gigabytes=max_gigabytes)
    found = plan_deletions(flags, sizes, now=NOW, settings=settings)
    gone = set(ids(found))
    assert not gone & {one.id for one in flags if RetentionClass.of(one) is RetentionClass.EXEMPT}
    left = found.used - found.freed
    if max_gigabytes is not None:
        assert left <= max_gigabytes * 1e9 + found.over + 1
        if found.over:
            assert all(
                RetentionClass.of(one) is RetentionClass.EXEMPT or not sizes[one.id]
                for one in flags
                if one.id not in gone
            )
