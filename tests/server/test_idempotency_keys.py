from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.errors import ConflictError, UsageError
from monitor.server import idempotency_keys as module
from monitor.server.idempotency_keys import CompletedRequest, IdempotencyKeys
from monitor.system.database import Database

FIRST, SECOND = CompletedRequest("ab" * 32, "analysis-1"), CompletedRequest("cd" * 32, "analysis-2")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(f"sqlite:///{tmp_path}/flags.db") as database:
        yield database


def test_a_request_is_found_by_its_owner_and_key_after_a_restart(database: Database) -> None:
    keys = IdempotencyKeys(database)
    assert keys.find("door", "1") is None
    keys.remember("door", "1", FIRST)
    again = IdempotencyKeys(database)
    assert again.find("door", "1") == FIRST
    assert (again.find("gate", "1"), again.find("door", "2")) == (None, None)
    again.remember("door", "1", SECOND)
    assert again.find("door", "1") == SECOND


def test_a_key_expires(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = IdempotencyKeys(database)
    keys.remember("door", "1", FIRST)
    monkeypatch.setattr(module, "MAX_AGE", timedelta(0))
    assert keys.find("door", "1") is None
    keys.remember("door", "2", SECOND)
    monkeypatch.undo()
    assert keys.find("door", "1") is None, "it was deleted"
    assert keys.find("door", "2") == SECOND


def test_a_key_is_held_by_one_request_at_a_time(database: Database) -> None:
    keys = IdempotencyKeys(database)
    with keys.claim("door", "1"), keys.claim("gate", "1"), pytest.raises(ConflictError, match="still runs"):
        keys.claim("door", "1").__enter__()
    with keys.claim("door", "1"):
        pass


def test_another_request_with_the_same_key_is_refused() -> None:
    FIRST.require_same(FIRST.request)
    with pytest.raises(UsageError, match="new key for each request"):
        FIRST.require_same(SECOND.request)
