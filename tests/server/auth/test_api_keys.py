"""API keys."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from monitor.errors import SignInError, StoreError, UsageError
from monitor.server.auth import api_keys as module
from monitor.server.auth.api_keys import SCOPES, ApiKey, ApiKeys, describe_key, read_expiry
from monitor.server.auth.tables import api_keys
from monitor.server.auth.user import Role
from monitor.system.database import Database


@pytest.fixture
def keys(database: Database) -> ApiKeys:
    return ApiKeys(database)


def last_used(keys: ApiKeys) -> datetime | None:
    (key,) = keys.all()
    return key.last_used_at


def test_a_key_is_what_was_wanted(keys: ApiKeys) -> None:
    expires = datetime.now(UTC) + timedelta(days=1)
    key, text = keys.create(" desk ", role=Role.REVIEWER, scopes=["flags", "streams", "flags"], expires_at=expires)
    assert (key.name, key.role, key.scopes, key.expires_at) == ("desk", Role.REVIEWER, ("streams", "flags"), expires)
    assert keys.check(text) == key
    assert key.may("flags")
    assert not key.may("model")
    assert text.startswith(f"dfm_{key.id}_")
    assert text[-64:] not in repr(key) + describe_key(key) + str(key.to_dict()) + str(key.in_words)
    every, _ = keys.create("all", role=Role.VIEWER)
    assert all(map(every.may, SCOPES))
    assert [one.name for one in keys.all()] == ["desk", "all"]


def test_two_keys_differ(keys: ApiKeys) -> None:
    texts = {keys.create("x", role=Role.VIEWER)[1] for _ in range(20)}
    assert len({text.split("_")[1] for text in texts}) == len({text.split("_")[2] for text in texts}) == 20


@given(st.one_of(st.text(), st.from_regex(r"dfm_[0-9a-f]{12}_[0-9a-f]{64}", fullmatch=True)))
def test_any_other_text_is_refused(text: str) -> None:
    with Database.open("sqlite://") as database, pytest.raises(SignInError, match="unknown or was removed"):
        ApiKeys(database).check(text)


def test_a_wrong_secret_is_refused_from_the_database_and_from_memory(keys: ApiKeys) -> None:
    _, text = keys.create("x", role=Role.VIEWER)
    wrong = text[:-1] + ("0" if text[-1] != "0" else "1")
    assert not keys.is_known(text)
    with pytest.raises(SignInError):
        keys.check(wrong)
    keys.check(text)
    assert keys.is_known(text)
    assert keys.recall(text) is not None
    with pytest.raises(SignInError):
        keys.recall(wrong)


def test_an_expired_key_is_refused_from_memory_too(keys: ApiKeys) -> None:
    _, text = keys.create("x", role=Role.VIEWER, expires_at=datetime.now(UTC) + timedelta(seconds=0.2))
    keys.check(text)
    time.sleep(0.25)
    for ask in (keys.recall, keys.check):
        with pytest.raises(SignInError, match="has expired"):
            ask(text)


def test_a_removed_key_is_refused_at_once(keys: ApiKeys) -> None:
    key, text = keys.create("x", role=Role.VIEWER)
    keys.check(text)
    assert keys.remove(key.id).name == "x"
    assert keys.recall(text) is None
    with pytest.raises(SignInError):
        keys.check(text)
    with pytest.raises(UsageError, match="there is no key"):
        keys.remove(key.id)


def test_the_memory_holds_existing_keys_only(keys: ApiKeys) -> None:
    for number in range(50):
        with pytest.raises(SignInError):
            keys.check(f"dfm_{number:012x}_{'0' * 64}")
    assert keys._known == {}


def test_the_last_use_is_written_once_a_minute(keys: ApiKeys, database: Database) -> None:
    _, text = keys.create("x", role=Role.VIEWER)
    assert last_used(keys) is None
    keys.check(text)
    first = last_used(keys)
    assert first is not None
    keys.check(text)
    assert last_used(keys) == first
    with database.writing() as connection:
        connection.execute(api_keys.update().values(last_used_at=(first - timedelta(seconds=61)).isoformat()))
    keys.check(text)
    assert last_used(keys) >= first


def test_a_busy_database_refuses_no_valid_key(
    keys: ApiKeys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _, text = keys.create("x", role=Role.VIEWER)

    def fail(_: object) -> None:
        raise StoreError("busy")

    monkeypatch.setattr(Database, "writing", fail)
    assert keys.check(text).name == "x"
    assert "could not be written: busy" in caplog.text


def test_the_secret_is_compared_in_constant_time(keys: ApiKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []
    digest = module.hmac.compare_digest
    monkeypatch.setattr(module.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or digest(a, b))
    _, text = keys.create("x", role=Role.VIEWER)
    keys.check(text)
    with pytest.raises(SignInError):
        keys.check(f"dfm_{'0' * 12}_{'0' * 64}")
    assert len(compared) == 2, "an unknown id takes as long"


def test_a_row_of_a_key_has_no_secret_in_clear(keys: ApiKeys, database: Database) -> None:
    _, text = keys.create("x", role=Role.VIEWER)
    with database.reading() as connection:
        row = connection.execute(select(api_keys)).mappings().one()
    assert text[-64:] not in str(dict(row))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2999-01-31", datetime(2999, 2, 1, tzinfo=UTC)),
        ("2999-01-31T12:00:00Z", datetime(2999, 1, 31, 12, tzinfo=UTC)),
        ("2999-01-31T12:00", datetime(2999, 1, 31, 12, tzinfo=UTC)),
        ("2999-01-31T12:00:00+02:00", datetime(2999, 1, 31, 10, tzinfo=UTC)),
    ],
)
def test_an_expiry_is_a_date_or_a_time(text: str, expected: datetime) -> None:
    assert read_expiry(text) == expected


def test_an_expiry_is_a_number_of_days() -> None:
    assert abs(read_expiry("90d") - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)


@pytest.mark.parametrize("text", ["", "soon", "90", "9999-12-31", "-1d", "2026-13-01"])
def test_another_expiry_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write days"):
        read_expiry(text)


def test_a_key_in_words() -> None:
    at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    key = ApiKey("0123456789ab", "desk", Role.VIEWER, (), created_at=at, expires_at=at)
    assert key.in_words == {
        "id": "0123456789ab",
        "name": "desk",
        "role": "viewer",
        "scopes": "all",
        "expires": "2026-01-02 03:04 (over)",
        "last used": "never",
    }
    assert describe_key(key) == "key desk (0123456789ab): viewer, all scopes, until 2026-01-02 03:04 UTC"
