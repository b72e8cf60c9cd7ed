"""The section of the page System for API keys."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from support.visitors import stations_in, token_of

from monitor.server.auth.user import Role
from monitor.server.service import MonitorService

SECTION = """
from monitor.dashboard.pages.api_keys import show_api_keys
from monitor.server import service
show_api_keys(service.current())
"""
PAGE = "from monitor.dashboard.pages import system\nsystem.show()"


@pytest.fixture(autouse=True)
def _near(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest has no browser and no client address."""
    monkeypatch.setattr(type(st.context), "ip_address", None)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., MonitorService]]:
    with stations_in(tmp_path / "evidence") as open_station:
        yield open_station


def run(program: str, token: str) -> AppTest:
    app = AppTest.from_string(program, default_timeout=100)
    app.session_state["token"] = token
    app.run()
    assert not app.exception, app.exception
    return app


def create(app: AppTest, name: str) -> AppTest:
    app.text_input[0].input(name)
    app.selectbox[0].set_value("reviewer")
    app.multiselect[0].set_value(["flags"])
    app.selectbox[1].set_value("in 90 days")
    app.button[0].click().run()
    assert not app.exception, app.exception
    return app


def test_an_administrator_creates_a_key_sees_it_once_and_removes_it(opened: Callable[..., MonitorService]) -> None:
    monitor_service = opened(mode="password")
    app = create(run(SECTION, token_of(monitor_service, Role.ADMIN, name="ada")), "desk")
    (shown,) = app.code
    key = monitor_service.api_keys.check(shown.value)
    assert (key.name, key.role, key.scopes) == ("desk", Role.REVIEWER, ("flags",))
    assert key.expires_at is not None
    assert "desk" in str(app.table[0].value)
    app.run()
    assert len(app.code) == 0, "the key is not shown again"
    app.button(key="remove-key").click().run()
    assert not app.exception
    assert monitor_service.api_keys.all() == []
    lines = monitor_service.audit.last(9)
    assert [(line.person, line.action, line.client) for line in lines] == [
        ("ada", "key removed", "127.0.0.1"),
        ("ada", "key added", "127.0.0.1"),
    ]
    assert shown.value not in str(lines)


def test_a_wrong_name_is_a_sentence(opened: Callable[..., MonitorService]) -> None:
    monitor_service = opened(mode="password")
    app = create(run(SECTION, token_of(monitor_service, Role.ADMIN)), " ")
    assert "printable characters" in app.error[0].value
    assert monitor_service.api_keys.all() == []


def test_a_press_without_the_role_creates_and_removes_nothing(opened: Callable[..., MonitorService]) -> None:
    monitor_service = opened(mode="password")
    monitor_service.api_keys.create("kept", role=Role.VIEWER)
    app = create(run(SECTION, token_of(monitor_service, Role.REVIEWER)), "more")
    assert "needs the role admin" in app.toast[0].value
    app.button(key="remove-key").click().run()
    assert [key.name for key in monitor_service.api_keys.all()] == ["kept"]


def test_only_administrators_see_the_section(opened: Callable[..., MonitorService]) -> None:
    monitor_service = opened(mode="password")
    monitor_service.api_keys.create("secret program", role=Role.VIEWER)
    for role, sees in ((Role.REVIEWER, False), (Role.ADMIN, True)):
        app = run(PAGE, token_of(monitor_service, role))
        assert ("API keys" in [one.value for one in app.subheader]) is sees
        assert ("secret program" in str([table.value for table in app.table])) is sees
