"""Sign-in with the real server, a real browser and, for OpenID Connect, a real provider on loopback."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support import clips
from support.live_page import browsing
from support.visitors import PASSWORD

from monitor.flags.archive import FlagArchive
from monitor.server.auth.accounts import Accounts
from monitor.server.auth.audit import AuditLog
from monitor.server.auth.user import Role
from monitor.settings import EvidenceSettings
from monitor.types import Origin

SECONDS = 60_000  # milliseconds that a busy machine may take
ENDED = "Your sign-in has ended: sign in again."

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(folder: Path, port: int, *settings: str) -> Iterator[str]:
    """The server as people start it, in a folder of its own, with a small film without a face; its address."""
    film = clips.video(folder / "film.mp4", frames=50, times=[number / 5 for number in range(50)])
    command = [sys.executable, "-m", "monitor", "serve", str(film), "--port", str(port)]
    for setting in (f"evidence.folder={folder / 'kept'}", *settings):
        command += ["--set", setting]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=os.environ)
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1):
                    break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(60)
    assert PASSWORD not in (folder / "log").read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing() as running:
        yield running


@pytest.fixture(scope="module")
def context(browser: Any) -> Iterator[Any]:
    """One profile for all tests, which loads the page's scripts once."""
    context = browser.new_context(viewport={"width": 1400, "height": 1100})
    context.set_default_timeout(SECONDS)
    yield context
    context.close()


@pytest.fixture
def page(context: Any) -> Iterator[Any]:
    """A fresh tab without cookies; it must meet no error."""
    context.clear_cookies()
    page = context.new_page()
    yield page
    assert page.get_by_test_id("stException").count() == 0
    for tab in context.pages:
        tab.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("password")


@pytest.fixture(scope="module")
def archive(folder: Path) -> Iterator[FlagArchive]:
    with FlagArchive.open(EvidenceSettings(folder=folder / "kept")) as archive:
        yield archive


@pytest.fixture(scope="module")
def accounts(archive: FlagArchive) -> Accounts:
    accounts = Accounts(archive.store.database)
    for name, role in (("ada", Role.ADMIN), ("eve", Role.VIEWER)):
        accounts.add(name, role=role, password=PASSWORD)
    return accounts


@pytest.fixture(scope="module")
def address(folder: Path, accounts: Accounts) -> Iterator[str]:
    with served(folder, free_port(), "access.mode=password") as address:
        yield address


def sign_in(page: Any, name: str, password: str = PASSWORD) -> None:
    page.get_by_role("heading", name="Sign in", exact=True).wait_for()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def live(page: Any) -> None:
    page.wait_for_selector(".viewer[data-state=live]", timeout=3 * SECONDS)  # the engines may have to be compiled first


class TestPassword:
    def test_a_wrong_password_shows_an_error_and_the_right_one_opens_the_dashboard(
        self, page: Any, address: str, archive: FlagArchive
    ) -> None:
        page.goto(address)
        sign_in(page, "ada", "not the password")
        page.get_by_text("the name or the password is wrong").wait_for()
        assert page.locator(".viewer").count() == 0
        assert page.get_by_role("link", name="System").count() == 0
        sign_in(page, "Ada")
        live(page)
        assert page.get_by_label("Your name").count() == 0, "the program knows"
        page.get_by_text("ada, admin").wait_for()
        page.locator(".viewer .flag").click()
        page.get_by_text(re.compile(r"Flagged .*film\.mp4 at")).wait_for()
        assert "ada" in [flag.reporter for flag in archive.store.find() if flag.origin is Origin.PERSON]
        page.get_by_role("link", name="System", exact=True).click()
        page.get_by_role("heading", name="Audit log").wait_for()
        said = [(entry.person, entry.action) for entry in AuditLog(archive.store.database).last(9)]
        assert ("ada", "signed in") in said
        assert ("ada", "sign-in failed") in said
        page.reload()
        page.get_by_text("ada, admin").wait_for()

    def test_a_viewer_sees_the_pages_without_controls(self, page: Any, address: str) -> None:
        page.goto(address)
        sign_in(page, "eve")
        live(page)
        page.wait_for_selector(".canvas[data-frame]")
        assert not page.locator(".viewer .flag").is_visible()
        assert page.get_by_text("Add a source").count() == 0
        assert page.get_by_text("Note for the next flag").count() == 0
        sources = page.get_by_test_id("stSidebar")
        assert sources.get_by_role("button", disabled=True).count() == 3, "hold, rename, remove"
        page.get_by_role("link", name="Analyse", exact=True).click()
        page.get_by_role("heading", name="Analyse", exact=True).wait_for()
        page.wait_for_timeout(1000)
        assert page.locator("input[type=file]").count() == 0
        page.get_by_role("link", name="System", exact=True).click()
        page.get_by_text("frames analysed").first.wait_for()
        assert page.get_by_role("heading", name="Audit log").count() == 0
        assert page.get_by_text("Check now").count() == 0

    def test_an_ended_sign_in_shows_a_notice_and_keeps_unsaved_text(
        self, page: Any, address: str, accounts: Accounts
    ) -> None:
        accounts.add("rob", role=Role.REVIEWER, password=PASSWORD)
        page.goto(address)
        sign_in(page, "rob")
        live(page)
        note = page.get_by_label("Note for the next flag")
        note.fill("look at the mouth")
        note.press("Enter")
        page.wait_for_timeout(1500)
        accounts.change_password("rob", "another long password")
        page.get_by_text(ENDED).wait_for()
        assert page.locator(".viewer").count() == 0
        sign_in(page, "rob", "another long password")
        live(page)
        assert note.input_value() == "look at the mouth"

    def test_signing_out_ends_the_session_in_every_tab(self, page: Any, address: str) -> None:
        page.goto(address)
        sign_in(page, "eve")
        live(page)
        other = page.context.new_page()
        other.goto(address)
        live(other)
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("heading", name="Sign in", exact=True).wait_for()
        assert page.get_by_text(ENDED).count() == 0, "they wanted it"
        other.get_by_text(ENDED).wait_for()
        page.reload()
        page.get_by_role("heading", name="Sign in", exact=True).wait_for()
        assert page.locator(".viewer").count() == 0


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """An OpenID Connect provider that knows Ada and Eve, in a process of its own; its address."""
    if find_spec("oidc_provider_mock") is None:
        pytest.skip("needs: pip install oidc-provider-mock")
    address = f"http://localhost:{(port := free_port())}"
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    for name in ("ada", "eve"):
        command += ["--user-claims", json.dumps({"sub": name, "email": f"{name}@example.org"})]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{address}/.well-known/openid-configuration", timeout=1):  # noqa: S310
                    break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def connected(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("oidc"), free_port()
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "secrets.toml").write_text(
        f"""[auth]
redirect_uri = "http://localhost:{port}/oauth2callback"
cookie_secret = "a long secret of these tests only"
client_id = "monitor"
client_secret = "another"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""
    )
    settings = ("access.mode=oidc", "access.admins=ada@example.org", "access.default_role=")
    with served(folder, port, *settings) as address:
        yield address


def sign_in_as(page: Any, name: str) -> None:
    page.get_by_role("heading", name="Sign in", exact=True).wait_for()
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name=name, exact=True).first.click()


class TestProvider:
    def test_a_user_of_the_provider_is_signed_in_until_sign_out(self, page: Any, connected: str) -> None:
        page.goto(connected)
        sign_in_as(page, "ada")
        live(page)
        page.get_by_text("ada@example.org, admin").wait_for()
        page.get_by_role("link", name="System", exact=True).click()
        page.get_by_role("heading", name="Audit log").wait_for()
        other = page.context.new_page()
        other.goto(connected)
        live(other)
        page.get_by_role("button", name="Sign out").click()
        other.get_by_text(ENDED).wait_for()
        assert other.locator(".viewer").count() == 0

    def test_a_user_without_a_role_sees_an_error(self, page: Any, connected: str) -> None:
        page.goto(connected)
        sign_in_as(page, "eve")
        page.get_by_text("Your account may not use this dashboard").wait_for()
        assert page.locator(".viewer").count() == 0
