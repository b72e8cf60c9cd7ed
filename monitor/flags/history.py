"""The log of actions on flags, as a hash chain: a later change of an entry breaks the chain.

Every event contains the hash of the previous event and of the flag after the action. A person with write access to the
database can rewrite the whole chain, but the new chain does not contain the hashes of earlier exports.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

BEGINNING: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One entry of the log."""

    number: int  # 1, 2, 3, ... without a gap
    at: str  # ISO 8601, UTC
    actor: str
    action: str
    flag_id: str  # "" if the action concerns no flag
    flag_sha256: str  # hex, of the flag's canonical bytes after the action; "" after a deletion
    details: Mapping[str, Any]
    previous: str  # sha256 of the previous event
    sha256: str

    def digest(self) -> str:
        """The expected value of ``sha256``."""
        facts = asdict(self)
        del facts["sha256"]
        return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def create_event(last: HistoryEvent | None, **facts: Any) -> HistoryEvent:  # noqa: ANN401 - the fields of an event
    """The event after ``last``; ``facts`` are all fields but number, previous and sha256."""
    number, previous = (1, BEGINNING) if last is None else (last.number + 1, last.sha256)
    bare = HistoryEvent(number=number, previous=previous, sha256="", **facts)
    return HistoryEvent(number=number, previous=previous, sha256=bare.digest(), **facts)


def first_break(events: Iterable[HistoryEvent]) -> str | None:
    """The first fault of a chain, as a clause; None if the chain is valid."""
    last: HistoryEvent | None = None
    for event in events:
        number, previous = (1, BEGINNING) if last is None else (last.number + 1, last.sha256)
        if event.number != number:
            return f"event {number} is missing"
        if event.previous != previous:
            return f"event {event.number} does not follow the previous event"
        if event.sha256 != event.digest():
            return f"event {event.number} was changed"
        last = event
    return None
