"""A user of the system without a name, or without a home folder."""

import os
import subprocess
import sys

import pytest

from monitor.errors import UsageError
from monitor.system import user
from monitor.system.user import cache_folder, data_folder, user_name

NAMELESS = """
import os, sys
for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
    os.environ.pop(name, None)
os.getuid = lambda: 54321  # as in a container started with --user 54321
from monitor.cli import main
sys.exit(main())
"""


def run(*arguments: str, home: str | None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment.pop("HOME", None)
    if home is not None:
        environment["HOME"] = home
    command = [sys.executable, "-c", NAMELESS, *arguments]
    return subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=False)


@pytest.mark.skipif(os.name != "posix", reason="user ids")
def test_a_user_without_a_name_adds_an_account(tmp_path: object) -> None:
    done = run("people", "add", "ada", "--role", "viewer", home=str(tmp_path), stdin="long enough password\n")
    assert done.returncode == 0, done.stderr
    audit = run("people", "audit", home=str(tmp_path))
    assert "user 54321" in audit.stdout


@pytest.mark.skipif(os.name != "posix", reason="user ids")
def test_a_user_without_a_home_folder_reads_what_to_set() -> None:
    done = run("flags", "list", home=None)
    assert done.returncode == 2
    assert "user 54321 has no home folder; set the environment variable HOME or XDG_DATA_HOME" in done.stderr.replace(
        "\n", " "
    )
    assert "Traceback" not in done.stderr


def test_the_settings_that_replace_each_folder_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(*_: object, **__: object) -> None:
        raise RuntimeError("no home")

    monkeypatch.setattr(user.platformdirs, "user_cache_path", no_home)
    monkeypatch.setattr(user.platformdirs, "user_data_path", no_home)
    with pytest.raises(UsageError, match=r"XDG_CACHE_HOME.*setting cache_dir"):
        cache_folder()
    with pytest.raises(UsageError, match=r"XDG_DATA_HOME.*setting evidence\.folder"):
        data_folder()


def test_a_user_has_a_name() -> None:
    assert user_name()
