from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flagging import BEGIN, flag

from monitor.evidence.queries import Query
from monitor.evidence.store import FlagStore
from monitor.types import Flag, Label, Opinion, Origin


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FlagStore]:
    with FlagStore.open(f"sqlite:///{tmp_path}/flags.db") as store:
        store.add(flag(0, probability=0.7, note="100 % sure"), actor="ada")
        store.add(flag(1, probability=None, source="talk.mp4", label=Label.NOT_ENOUGH_EVIDENCE), actor="ada")
        store.add(flag(2, probability=0.95, label=Label.LIKELY_FAKE, origin=Origin.AUTOMATIC), actor="")
        store.review(flag(2).id, actor="bob", opinion=Opinion.REAL)
        yield store


def number(one: Flag) -> int:
    return int(one.id[-8:], 16)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(), [2, 1, 0]),
        (Query(order="oldest"), [0, 1, 2]),
        (Query(order="most_suspicious"), [2, 0, 1]),
        (Query(text="TALK"), [1]),
        (Query(text="100 %"), [0]),
        (Query(text="%"), [0]),
        (Query(text="nobody said this"), []),
        (Query(reviewed=False), [1, 0]),
        (Query(opinion=Opinion.REAL), [2]),
        (Query(origin=Origin.AUTOMATIC), [2]),
        (Query(label=Label.LIKELY_FAKE), [2]),
        (Query(source="talk.mp4"), [1]),
        (Query(since=BEGIN + timedelta(minutes=1)), [2, 1]),
        (Query(until=BEGIN + timedelta(minutes=1)), [0]),
    ],
)
def test_queries(store: FlagStore, query: Query, found: list[int]) -> None:
    assert [number(one) for one in store.find(query)] == found
    assert store.count(query) == len(found)


def test_pages(store: FlagStore) -> None:
    pages = [store.find(limit=2), store.find(limit=2, offset=2)]
    assert [[number(one) for one in page] for page in pages] == [[2, 1], [0]]
