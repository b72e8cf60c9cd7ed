"""``people key``"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.flags.archive import FlagArchive
from monitor.server.auth.api_keys import ApiKey, ApiKeys
from monitor.server.auth.user import Role
from monitor.settings import EvidenceSettings


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPFAKE_MONITOR_EVIDENCE__FOLDER", str(tmp_path / "kept"))
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    return tmp_path / "kept"


def check(kept: Path, text: str) -> ApiKey:
    with FlagArchive.open(EvidenceSettings(folder=kept)) as archive:
        return ApiKeys(archive.store.database).check(text)


def test_a_key_is_printed_once_listed_and_removed(cli: Callable, kept: Path) -> None:
    arguments = ("--role", "reviewer", "--scope", "flags", "--scope", "streams", "--expires", "90d")
    said = cli("people", "key", "add", "Home [Assistant]", *arguments)
    assert said.code == 0
    text = said.out.removesuffix("\n")
    key = check(kept, text)
    assert (key.name, key.role, key.scopes) == ("Home [Assistant]", Role.REVIEWER, ("streams", "flags"))
    assert key.expires_at is not None
    assert "nobody can read it again" in said.err
    assert text not in said.err
    listed = cli("people", "key", "list")
    assert key.id in listed.out
    assert "Home [Assistant]" in listed.out
    (row,) = json.loads(cli("people", "key", "list", "--json").out)
    assert (row["id"], row["role"], row["scopes"]) == (key.id, "reviewer", ["streams", "flags"])
    secret = text.split("_")[2]
    assert secret not in listed.out + str(row)
    said = cli("people", "key", "remove", key.id)
    assert (said.code, said.out) == (0, "")
    assert "refused from now on" in said.err
    said = cli("people", "key", "list")
    assert "there are no keys" in said.err
    audit = cli("people", "audit", "--json").out
    assert [(line["person"], line["action"]) for line in json.loads(audit)] == [
        ("root", "key removed"),
        ("root", "key added"),
    ]
    assert secret not in audit


def test_a_key_without_options_is_a_viewer_for_good(cli: Callable, kept: Path) -> None:
    key = check(kept, cli("people", "key", "add", "robot").out.strip())
    assert (key.role, key.scopes, key.expires_at) == (Role.VIEWER, (), None)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("add", ""), "the name of a key"),
        (("add", "x", "--role", "root"), "root"),
        (("add", "x", "--scope", "everything"), "everything is not a scope: choose from streams"),
        (("add", "x", "--expires", "soon"), "write days"),
        (("add", "x", "--expires", "2020-01-01"), "over already"),
        (("remove", "nothing"), "there is no key nothing"),
    ],
)
def test_a_wrong_command_is_an_error_and_changes_nothing(
    cli: Callable, kept: Path, arguments: tuple[str, ...], why: str
) -> None:
    said = cli("people", "key", *arguments)
    assert (said.code, said.out) == (2, "")
    assert why in said.err
    assert json.loads(cli("people", "key", "list", "--json").out) == []
    assert json.loads(cli("people", "audit", "--json").out) == []
