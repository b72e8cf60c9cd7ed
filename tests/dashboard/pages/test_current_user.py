"""The user of a tab and the user's role, on the pages without a browser."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from support.flagging import flag
from support.visitors import PASSWORD, stations_in, token_of

from monitor.dashboard import pages
from monitor.dashboard.pages.current_user import ENDED
from monitor.server.auth.user import Role, User
from monitor.server.service import MonitorService

ROLES_PROGRAM = """
import streamlit as st
from monitor.server.auth.user import Role, User
from monitor.dashboard.pages.current_user import audit, check_role, explain_denial, get_reporter, has_role
for role in Role:
    st.text(f"{role} {has_role(role)} {check_role(role)} {explain_denial(role) or '-'}")
st.text(get_reporter())
audit("looked")
"""
REDRAW_PROGRAM = """
import streamlit as st
from monitor.dashboard.pages.current_user import refresh
@refresh(every=10.0)
def show_secret():
    st.text("a secret")
show_secret()
"""


@pytest.fixture(autouse=True)
def _near(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest has no browser and no client address."""
    monkeypatch.setattr(type(st.context), "ip_address", None)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., MonitorService]]:
    """Opens the service of this process with one flag: ``opened(mode="password")``."""
    with stations_in(tmp_path / "evidence") as open_station:

        def open_with_a_flag(**access: Any) -> MonitorService:
            monitor_service = open_station(**access)
            monitor_service.archive.store.add(flag(trace=()), actor="ada")
            return monitor_service

        yield open_with_a_flag


def run(program: str, token: str = "") -> AppTest:
    app = AppTest.from_string(program, default_timeout=100)
    if token:
        app.session_state["token"] = token
    app.run()
    assert not app.exception, app.exception
    return app


def page(name: str) -> str:
    return f"from monitor.dashboard.pages import {name}\n{name}.show()"


def test_every_periodic_redraw_checks_the_user() -> None:
    for path in Path(pages.__file__).parent.glob("*.py"):
        if path.name != "current_user.py":
            assert "fragment(" not in path.read_text(encoding="utf-8"), f"{path.name}: use current_user.refresh"


def test_without_sign_in_every_user_is_an_admin(opened: Callable[..., MonitorService]) -> None:
    opened()
    app = run(ROLES_PROGRAM)
    assert [text.value for text in app.text] == [f"{role} True True -" for role in Role] + [""]
    assert len(app.toast) == 0
    assert "Your name" in [box.label for box in run(page("review")).text_input]


@pytest.mark.parametrize("role", list(Role), ids=str)
def test_a_role_allows_lower_roles_and_explains_the_denied_ones(
    opened: Callable[..., MonitorService], role: Role
) -> None:
    monitor_service = opened(mode="password")
    app = run(ROLES_PROGRAM, token_of(monitor_service, role, name="ada"))
    rows = [
        f"{required} True True -"
        if required <= role
        else f"{required} False False This action needs the role {required}."
        for required in Role
    ]
    assert [text.value for text in app.text] == [*rows, "ada"]
    assert [toast.value for toast in app.toast] == [
        f"This action needs the role {required}. Your role is {role}." for required in Role if required > role
    ]
    assert [(entry.person, entry.action, entry.client) for entry in monitor_service.audit.last(9)] == [
        ("ada", "looked", "127.0.0.1")
    ]


def test_a_tab_without_sign_in_has_no_role(opened: Callable[..., MonitorService]) -> None:
    opened(mode="password")
    app = run(ROLES_PROGRAM)
    assert not any("True" in text.value for text in app.text)
    assert {toast.value for toast in app.toast} == {ENDED}


def test_a_periodic_redraw_stops_when_the_sign_in_ends(opened: Callable[..., MonitorService]) -> None:
    monitor_service = opened(mode="password")
    token = token_of(monitor_service, Role.VIEWER, name="eve")
    app = run(REDRAW_PROGRAM, token)
    assert [text.value for text in app.text] == ["a secret"]
    monitor_service.sessions.end(token)
    with pytest.raises(RuntimeError, match="timed out"):  # the real page would show the form; this one reruns forever
        AppTest.from_string(REDRAW_PROGRAM, default_timeout=2).run()


@pytest.mark.parametrize(
    ("role", "locked"),
    [
        (Role.VIEWER, {"Fake `C`", "False alarm `X`", "Unsure `U`", "Reviewed `R`"}),
        (Role.REVIEWER, set()),
        (Role.ADMIN, set()),
    ],
)
def test_a_viewer_cannot_review_flags(opened: Callable[..., MonitorService], role: Role, locked: set[str]) -> None:
    monitor_service = opened(mode="password")
    app = run(page("review"), token_of(monitor_service, role, name="ada"))
    assert "Your name" not in [box.label for box in app.text_input]
    nothing_to_undo = {"Undo `Z`"}
    assert {button.label for button in app.button if button.disabled} == locked | nothing_to_undo
    if not locked:
        next(button for button in app.button if button.label.startswith("False alarm")).click().run()
        assert monitor_service.archive.store.get(flag().id).reviewed_by == "ada"


def test_the_role_is_checked_again_after_a_press(opened: Callable[..., MonitorService]) -> None:
    monitor_service = opened(mode="password")
    app = run(page("review"), token_of(monitor_service, Role.REVIEWER, name="ada"))
    for session in monitor_service.sessions._sessions.values():
        session.user = User("ada", Role.VIEWER)
    next(button for button in app.button if button.label.startswith("False alarm")).click().run()
    assert monitor_service.archive.store.get(flag().id).reviewed_at is None
    assert [toast.value for toast in app.toast] == ["This action needs the role reviewer. Your role is viewer."]


@pytest.mark.parametrize(("role", "shown"), [(Role.VIEWER, False), (Role.REVIEWER, False), (Role.ADMIN, True)])
def test_only_an_admin_sees_the_source_form_and_the_audit_log(
    opened: Callable[..., MonitorService], role: Role, shown: bool
) -> None:
    monitor_service = opened(mode="password")
    monitor_service.audit.note("source added", person="ada", what="rtsp://ada:***@cam/live")
    token = token_of(monitor_service, role, name="ada")
    assert ("Add source" in [button.label for button in run(page("live"), token).button]) is shown
    app = run(page("system"), token)
    assert ("Audit log" in [header.value for header in app.subheader]) is shown
    assert ("Check now" in [button.label for button in app.button]) is shown


def test_a_tab_without_sign_in_shows_only_the_form(opened: Callable[..., MonitorService]) -> None:
    monitor_service = opened(mode="password")
    app = run("from monitor.dashboard.pages import show\nshow()")
    assert [header.value for header in app.header] == ["Sign in"]
    assert "people add NAME --role admin" in app.info[0].value
    assert len(app.sidebar.button) == 0
    monitor_service.accounts.add("ada", role=Role.ADMIN, password=PASSWORD)
    assert len(run("from monitor.dashboard.pages import show\nshow()").info) == 0
