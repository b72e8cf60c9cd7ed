from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.flagging import BEGIN, flag

from monitor.flags.database import FlagStore
from monitor.flags.queries import FlagQuery
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
        (FlagQuery(), [2, 1, 0]),
        (FlagQuery(order="oldest"), [0, 1, 2]),
        (FlagQuery(order="most_suspicious"), [2, 0, 1]),
        (FlagQuery(text="TALK"), [1]),
        (FlagQuery(text="100 %"), [0]),
        (FlagQuery(text="%"), [0]),
        (FlagQuery(text="nobody said this"), []),
        (FlagQuery(reviewed=False), [1, 0]),
        (FlagQuery(before=(BEGIN + timedelta(minutes=2), flag(2).id)), [1, 0]),
        (FlagQuery(before=(BEGIN + timedelta(minutes=1), "z")), [1, 0]),
        (FlagQuery(before=(BEGIN, flag(0).id)), []),
        (FlagQuery(opinion=Opinion.REAL), [2]),
        (FlagQuery(origin=Origin.AUTOMATIC), [2]),
        (FlagQuery(label=Label.LIKELY_FAKE), [2]),
        (FlagQuery(source="talk.mp4"), [1]),
        (FlagQuery(since=BEGIN + timedelta(minutes=1)), [2, 1]),
        (FlagQuery(until=BEGIN + timedelta(minutes=1)), [0]),
    ],
)
def test_queries(store: FlagStore, query: FlagQuery, found: list[int]) -> None:
    assert [number(one) for one in store.find(query)] == found
    assert store.count(query) == len(found)


def test_pages(store: FlagStore) -> None:
    pages = [store.find(limit=2), store.find(limit=2, offset=2)]
    assert [[number(one) for one in page] for page in pages] == [[2, 1], [0]]
