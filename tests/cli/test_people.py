"""``people``: accounts and audit log."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.visitors import PASSWORD

from monitor.flags.archive import FlagArchive
from monitor.server.auth.accounts import Accounts
from monitor.server.auth.user import Role, User
from monitor.settings import EvidenceSettings


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPFAKE_MONITOR_EVIDENCE__FOLDER", str(tmp_path / "kept"))
    monkeypatch.setenv("DEEPFAKE_MONITOR_ACCESS__MODE", "password")
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    return tmp_path / "kept"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the piped input."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def check(kept: Path, name: str, password: str) -> User:
    with FlagArchive.open(EvidenceSettings(folder=kept)) as archive:
        return Accounts(archive.store.database).check(name, password)


def test_accounts_are_created_changed_and_deleted(cli: Callable, kept: Path, typed: Callable[[str], None]) -> None:
    typed(f"{PASSWORD}\r\nmore")
    said = cli("people", "add", "Ada", "--role", "admin")
    assert (said.code, said.out, said.err) == (0, "ada may sign in as admin\n", "")
    assert check(kept, "ada", PASSWORD) == User("ada", Role.ADMIN)
    typed(f"{PASSWORD}\n")
    assert cli("people", "add", "bob").out == "bob may sign in as viewer\n"
    assert [row["role"] for row in json.loads(cli("people", "list", "--json").out)] == ["admin", "viewer"]
    listed = cli("people", "list").out
    assert "bob" in listed
    assert "$argon2" not in listed
    assert cli("people", "role", "bob", "reviewer").out == "bob is reviewer now\n"
    typed("another long password\n")
    assert cli("people", "password", "bob").code == 0
    assert check(kept, "bob", "another long password") == User("bob", Role.REVIEWER)
    assert cli("people", "remove", "ada").out == "ada may not sign in any more\n"
    said = cli("people", "audit", "--json")
    assert [(line["person"], line["action"], line["what"], line["client"]) for line in json.loads(said.out)] == [
        ("root", "person removed", "ada", "command line"),
        ("root", "password changed", "bob", "command line"),
        ("root", "role changed", "bob: reviewer", "command line"),
        ("root", "person added", "bob: viewer", "command line"),
        ("root", "person added", "ada: admin", "command line"),
    ]
    shown = cli("people", "audit", "--limit", "2").out
    assert "person removed" in shown
    assert "role changed" not in shown
    assert "password" not in said.out.replace("password changed", "")


@pytest.mark.parametrize(
    ("arguments", "text", "why"),
    [
        (("add", "bob"), "short\n", "at least 12 characters"),
        (("add", "bob"), "", "at least 12 characters"),
        (("add", ""), f"{PASSWORD}\n", "a name has"),
        (("add", "bob", "--role", "root"), f"{PASSWORD}\n", "root"),
        (("role", "nobody", "admin"), "", "there is no account nobody"),
        (("password", "nobody"), f"{PASSWORD}\n", "there is no account nobody"),
        (("remove", "nobody"), "", "there is no account nobody"),
    ],
)
def test_a_wrong_command_is_an_error_and_changes_nothing(
    cli: Callable, kept: Path, typed: Callable[[str], None], arguments: tuple[str, ...], text: str, why: str
) -> None:
    typed(text)
    said = cli("people", *arguments)
    assert said.code == 2
    assert why in said.err
    assert PASSWORD not in said.err
    assert "there are no accounts" in cli("people", "list").err
    assert json.loads(cli("people", "audit", "--json").out) == []


def test_a_password_is_no_argument(cli: Callable, kept: Path) -> None:
    assert cli("people", "add", "bob", PASSWORD).code == 2
    assert cli("people", "add", "bob", "--password", PASSWORD).code == 2


def test_a_terminal_asks_twice_for_a_hidden_password(
    cli: Callable, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.prompt", lambda text, **how: asked.append(how) or PASSWORD)
    assert cli("people", "add", "bob").code == 0
    assert asked == [{"hide_input": True, "confirmation_prompt": True}]


def test_an_account_without_password_mode_gives_a_notice(
    cli: Callable, kept: Path, typed: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPFAKE_MONITOR_ACCESS__MODE", "open")
    typed(f"{PASSWORD}\n")
    assert "set access.mode to password" in cli("people", "add", "bob").err
