"""Accounts with passwords."""

import sqlite3
from pathlib import Path

import pytest
from support.clock import use_clock
from support.visitors import PASSWORD, QUICK

from monitor.errors import SignInError, UsageError
from monitor.server.auth import accounts as accounts_module
from monitor.server.auth.accounts import Accounts
from monitor.server.auth.user import Role, User
from monitor.system.database import Database


@pytest.fixture
def accounts(database: Database) -> Accounts:
    accounts = Accounts(database, hasher=QUICK)
    accounts.add("Ada", role=Role.REVIEWER, password=PASSWORD)
    return accounts


def test_the_right_password_is_accepted(accounts: Accounts) -> None:
    for name in ("ada", "ADA", " Ada "):
        assert accounts.check(name, PASSWORD) == User("ada", Role.REVIEWER)


def test_a_password_is_the_same_from_every_keyboard(accounts: Accounts) -> None:
    accounts.add("eve", role=Role.VIEWER, password="pässwörter sind lang")  # noqa: S106
    assert accounts.check("eve", "pa\u0308sswo\u0308rter sind lang").name == "eve"


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("ada", ""), ("bob", PASSWORD), ("", "")])
def test_a_wrong_password_and_a_wrong_name_give_the_same_error(accounts: Accounts, name: str, password: str) -> None:
    with pytest.raises(SignInError, match="the name or the password is wrong"):
        accounts.check(name, password)


def test_an_unknown_name_costs_a_hash_too(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes: list[str] = []
    monkeypatch.setattr(type(QUICK), "verify", lambda self, kept, password: hashes.append(kept) or True)
    with pytest.raises(SignInError):
        accounts.check("bob", PASSWORD)
    assert len(hashes) == 1
    assert hashes[0].startswith("$argon2id$"), "and what it says of a match does not count"


def test_no_password_is_in_the_database(accounts: Accounts, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "flags.db") as database:
        (kept,) = database.execute("SELECT password FROM people").fetchone()
    database.close()
    assert kept.startswith("$argon2id$")
    assert PASSWORD.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_the_default_hash_is_expensive(database: Database) -> None:
    hasher = Accounts(database)._hasher
    assert (hasher.memory_cost, hasher.time_cost) >= (65536, 3), "RFC 9106, the second profile"


@pytest.mark.parametrize(
    ("name", "password", "why"),
    [
        ("ADA", PASSWORD, "ada already has an account"),
        ("", PASSWORD, "a name has 1 to 80"),
        ("a" * 81, PASSWORD, "a name has 1 to 80"),
        ("a\nb", PASSWORD, "printable"),
        ("bob", "short", "at least 12 characters"),
        ("a-long-enough-name", "A-long-enough-name", "differs from the name"),
        ("bob", "x" * 1025, "at most 1024"),
    ],
)
def test_an_invalid_account_is_refused_with_a_reason(accounts: Accounts, name: str, password: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        accounts.add(name, role=Role.VIEWER, password=password)
    assert [account.name for account in accounts.all()] == ["ada"]


def test_roles_are_changed_and_accounts_deleted(accounts: Accounts) -> None:
    accounts.add("bob", role=Role.VIEWER, password=PASSWORD)
    assert [(one.name, one.role) for one in accounts.all()] == [("ada", Role.REVIEWER), ("bob", Role.VIEWER)]
    assert accounts.change_role("BOB", Role.ADMIN).role is Role.ADMIN
    assert accounts.remove("Ada").name == "ada"
    with pytest.raises(SignInError):
        accounts.check("ada", PASSWORD)
    for change in (
        lambda: accounts.remove("ada"),
        lambda: accounts.change_role("ada", Role.ADMIN),
        lambda: accounts.change_password("ada", PASSWORD),
    ):
        with pytest.raises(UsageError, match="there is no account ada"):
            change()


def test_a_user_is_found_until_deletion_or_a_password_change(accounts: Accounts) -> None:
    signed_in = accounts.check("ada", PASSWORD)
    assert accounts.find(signed_in) == User("ada", Role.REVIEWER)
    accounts.change_role("ada", Role.VIEWER)
    assert accounts.find(signed_in) == User("ada", Role.VIEWER)
    accounts.change_password("ada", "another long password")
    assert accounts.find(signed_in) is None
    again = accounts.check("ada", "another long password")
    assert again.name == "ada"
    with pytest.raises(SignInError):
        accounts.check("ada", PASSWORD)
    assert accounts.find(again) is not None
    accounts.remove("ada")
    assert accounts.find(again) is None


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
def test_a_changed_password_ends_old_sessions_and_no_new_ones_whatever_the_clock_says(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    clock = use_clock(monkeypatch, accounts_module)
    before = accounts.check("ada", PASSWORD)
    clock.ahead = ahead
    accounts.change_password("ada", "another long password")
    clock.ahead = 0.0
    assert accounts.find(before) is None
    assert accounts.find(accounts.check("ada", "another long password")) is not None
