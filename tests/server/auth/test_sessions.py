"""Sessions and tokens."""

import threading
from types import SimpleNamespace

import pytest

from monitor.errors import StoreError
from monitor.server.auth import sessions as module
from monitor.server.auth.sessions import Sessions
from monitor.server.auth.user import Role, User
from monitor.settings import AccessSettings

ADA = User("ada", Role.REVIEWER)
HOUR = 3600


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1e6)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock.now)
    return clock


def joined(sessions: Sessions, session_id: str) -> str:
    token = sessions.create_token()
    assert sessions.join(token, session_id)
    return token


def test_a_joined_token_finds_the_signed_in_user() -> None:
    sessions = Sessions(AccessSettings())
    token = sessions.create_token()
    assert sessions.is_valid(token)
    assert sessions.find_user(token) is None, "nobody is, yet"
    assert sessions.join(token, sessions.begin(ADA))
    assert sessions.find_user(token) == ADA


def test_ids_and_tokens_cannot_be_guessed() -> None:
    sessions = Sessions(AccessSettings())
    ids, tokens = {sessions.begin(ADA) for _ in range(50)}, {sessions.create_token() for _ in range(50)}
    assert len(ids) == len(tokens) == 50
    assert min(map(len, ids)) >= 43
    assert min(map(len, tokens)) >= 32
    token = joined(sessions, sessions.begin(ADA))
    for other in ("", token[:-1], token.upper(), "guessed", next(iter(ids))):
        assert not sessions.is_valid(other)
        assert sessions.find_user(other) is None


def test_unknown_tokens_and_sessions_cannot_join() -> None:
    sessions = Sessions(AccessSettings())
    assert not sessions.join(sessions.create_token(), "")
    assert not sessions.join(sessions.create_token(), "guessed")
    assert not sessions.join("guessed", sessions.begin(ADA))


def test_signing_out_ends_only_the_users_own_tabs() -> None:
    sessions = Sessions(AccessSettings())
    session_id = sessions.begin(ADA)
    one, two = joined(sessions, session_id), joined(sessions, session_id)
    elsewhere = joined(sessions, sessions.begin(ADA))
    assert sessions.end(one) == ADA
    assert sessions.find_user(one) is None
    assert sessions.find_user(two) is None
    assert sessions.find_user(elsewhere) == ADA
    assert not sessions.join(one, session_id), "its cookie is worth nothing"
    assert sessions.join(one, sessions.begin(ADA)), "the page itself goes on"
    assert sessions.end("guessed") is None


def test_a_session_ends_when_it_is_idle(clock: SimpleNamespace) -> None:
    sessions = Sessions(AccessSettings(mode="password", idle_minutes=30))
    token = joined(sessions, sessions.begin(ADA))
    for _ in range(10):
        clock.now += 29 * 60
        assert sessions.find_user(token) == ADA
    clock.now += 31 * 60
    assert sessions.find_user(token) is None
    assert sessions._sessions == {}


def test_a_busy_session_ends_at_its_time_limit(clock: SimpleNamespace) -> None:
    sessions = Sessions(AccessSettings(mode="password", idle_minutes=120, sign_in_hours=10))
    token = joined(sessions, sessions.begin(ADA))
    for _ in range(10):
        clock.now += HOUR
        assert sessions.find_user(token) == ADA
    clock.now += 1
    assert sessions.find_user(token) is None


def test_an_unused_token_expires(clock: SimpleNamespace) -> None:
    sessions = Sessions(AccessSettings(mode="password", idle_minutes=10_000))
    session_id = sessions.begin(ADA)
    used, idle = joined(sessions, session_id), joined(sessions, session_id)
    for _ in range(2):
        clock.now += 11 * HOUR
        assert sessions.find_user(used) == ADA
    assert not sessions.is_valid(idle)
    assert sessions.find_user(idle) is None
    sessions.create_token()
    assert idle not in sessions._tokens, "and takes no memory"


def test_the_claims_of_a_provider_begin_one_session_only(clock: SimpleNamespace) -> None:
    sessions = Sessions(AccessSettings(mode="password", sign_in_hours=10))
    first = sessions.begin(ADA, key="claims", age=HOUR)
    assert sessions.is_active(first)
    assert sessions.begin(ADA, key="claims", age=HOUR) == first, "another tab"
    token = joined(sessions, first)
    sessions.end(token)
    assert not sessions.is_active(first)
    assert sessions.begin(ADA, key="claims", age=HOUR) == "", "they outlive the sign-out, in other tabs"
    assert sessions.begin(ADA, key="later claims") != ""
    assert sessions.begin(ADA, key="old claims", age=10 * HOUR + 1) == ""
    token = joined(sessions, sessions.begin(ADA, key="older claims", age=9 * HOUR))
    clock.now += HOUR + 1
    assert sessions.find_user(token) is None, "counted from the sign-in at the provider"
    clock.now += 20 * HOUR
    sessions.create_token()
    assert not {"claims", "older claims"} & sessions._ended_keys.keys(), "they are too old by now anyway"


def test_users_are_looked_up_again_periodically(clock: SimpleNamespace) -> None:
    asked: list[User] = []
    answers: list[User | None] = [User("ada", Role.VIEWER), None]

    def look_up(person: User) -> User | None:
        asked.append(person)
        return answers.pop(0)

    sessions = Sessions(AccessSettings(), look_up=look_up)
    token = joined(sessions, sessions.begin(ADA))
    assert sessions.find_user(token) == ADA
    assert asked == []
    clock.now += 11
    assert sessions.find_user(token) == User("ada", Role.VIEWER), "less than before"
    assert sessions.find_user(token) == User("ada", Role.VIEWER)
    assert asked == [ADA]
    clock.now += 11
    assert sessions.find_user(token) is None, "removed"
    assert sessions.find_user(token) is None
    assert len(asked) == 2


def test_a_database_error_signs_no_user_out(clock: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    def look_up(person: User) -> User | None:
        raise StoreError("busy")

    sessions = Sessions(AccessSettings(), look_up=look_up)
    token = joined(sessions, sessions.begin(ADA))
    clock.now += 11
    assert sessions.find_user(token) == ADA
    assert "busy" in caplog.text


def test_tokens_are_created_while_others_are_checked() -> None:
    sessions = Sessions(AccessSettings())
    session_id, faults, over = sessions.begin(ADA), [], threading.Event()

    def check(token: str) -> None:
        while not over.is_set():
            if sessions.find_user(token) != ADA:
                faults.append(token)

    checkers = [threading.Thread(target=check, args=(joined(sessions, session_id),)) for _ in range(2)]
    for thread in checkers:
        thread.start()
    for _ in range(3000):
        sessions.end(joined(sessions, sessions.begin(User("eve", Role.VIEWER))))
    over.set()
    for thread in checkers:
        thread.join()
    assert faults == []


def test_sessions_without_sign_in_never_end(clock: SimpleNamespace) -> None:
    """A wall display has nobody to sign in again."""
    sessions = Sessions(AccessSettings(mode="open"))
    session_id = sessions.begin(User("", Role.ADMIN), key="everybody")
    clock.now += 10_000 * 3600
    assert sessions.is_active(session_id)
    assert sessions.begin(User("", Role.ADMIN), key="everybody") == session_id
