"""Who did what to which flag, as a chain of hashes: what was said once cannot be changed unseen.

Every event names the hash of the one before it and of the flag as the event left it. Somebody who can write to the
database can rewrite the whole chain, but not so that it ends in a hash that an earlier export names.
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
    flag_id: str  # "" where it is about no flag
    flag_sha256: str  # hex, of the flag's canonical bytes after the action; "": it is gone
    details: Mapping[str, Any]
    previous: str  # sha256 of the event before
    sha256: str

    def digest(self) -> str:
        """What ``sha256`` must be."""
        facts = asdict(self)
        del facts["sha256"]
        return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def following(last: HistoryEvent | None, **facts: Any) -> HistoryEvent:  # noqa: ANN401 - the fields of an event
    """The event after ``last``; ``facts`` are all fields but number, previous and sha256."""
    number, previous = (1, BEGINNING) if last is None else (last.number + 1, last.sha256)
    bare = HistoryEvent(number=number, previous=previous, sha256="", **facts)
    return HistoryEvent(number=number, previous=previous, sha256=bare.digest(), **facts)


def first_break(events: Iterable[HistoryEvent]) -> str | None:
    """The first thing that is wrong with a chain, in words; None if nothing is."""
    last: HistoryEvent | None = None
    for event in events:
        number, previous = (1, BEGINNING) if last is None else (last.number + 1, last.sha256)
        if event.number != number:
            return f"event {number} is missing"
        if event.previous != previous:
            return f"event {event.number} does not follow the one before it"
        if event.sha256 != event.digest():
            return f"event {event.number} was changed"
        last = event
    return None
