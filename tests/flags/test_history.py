from dataclasses import replace

import pytest

from monitor.flags.history import BEGINNING, HistoryEvent, create_event, first_break


def chain(length: int) -> list[HistoryEvent]:
    log: list[HistoryEvent] = []
    for number in range(length):
        facts = {"at": "2026-11-24", "actor": "ada", "action": "flagged", "flag_id": str(number)}
        log.append(create_event(log[-1] if log else None, **facts, flag_sha256="", details={"ü": [1, None]}))
    return log


def test_a_chain_is_valid() -> None:
    log = chain(4)
    assert [event.number for event in log] == [1, 2, 3, 4]
    assert log[0].previous == BEGINNING
    assert first_break(log) is None
    assert first_break([]) is None


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda log: log[1:], "event 1 is missing"),
        (lambda log: [log[0], log[2]], "event 2 is missing"),
        (lambda log: [log[0], replace(log[1], actor="eve"), log[2]], "event 2 was changed"),
        (lambda log: [log[0], forged(log[1], actor="eve"), log[2]], "event 3 does not follow"),
        (lambda log: [forged(log[0], previous="1" * 64)], "event 1 does not follow"),
    ],
)
def test_the_first_break_is_reported(change, fault: str) -> None:
    assert fault in (first_break(change(chain(3))) or "")


def forged(event: HistoryEvent, **changes: object) -> HistoryEvent:
    """A changed event with a matching new hash."""
    changed = replace(event, **changes)
    return replace(changed, sha256=changed.digest())
