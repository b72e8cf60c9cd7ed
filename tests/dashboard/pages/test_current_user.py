"""Who looks at a tab, and what they may do there: the pages without a browser."""

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

ASKED = """
import streamlit as st
from monitor.server.auth.user import Role, User
from monitor.dashboard.pages.current_user import audit, lacking, may, permitted, reporter
for role in Role:
    st.text(f"{role} {may(role)} {permitted(role)} {lacking(role) or '-'}")
st.text(reporter())
audit("looked")
"""
DRAWN = """
import streamlit as st
from monitor.dashboard.pages.current_user import refreshed
@refreshed(every=10.0)
def part():
    st.text("a secret")
part()
"""


@pytest.fixture(autouse=True)
def _near(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest has no browser whose address it could tell."""
    monkeypatch.setattr(type(st.context), "ip_address", None)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., MonitorService]]:
    """Opens the station of this process, with a flag in it: ``opened(mode="password")``."""
    with stations_in(tmp_path / "evidence") as open_station:

        def open_with_a_flag(**access: Any) -> MonitorService:
            station = open_station(**access)
            station.archive.store.add(flag(trace=()), actor="ada")
            return station

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


def test_no_part_of_a_page_is_drawn_again_without_a_look_at_who_is_there() -> None:
    for path in Path(pages.__file__).parent.glob("*.py"):
        if path.name != "current_user.py":
            assert "fragment(" not in path.read_text(encoding="utf-8"), f"{path.name}: use current_user.refreshed"


def test_where_nobody_signs_in_everybody_may_everything(opened: Callable[..., MonitorService]) -> None:
    opened()
    app = run(ASKED)
    assert [text.value for text in app.text] == [f"{role} True True -" for role in Role] + [""]
    assert len(app.toast) == 0
    assert "Your name" in [box.label for box in run(page("review")).text_input]


@pytest.mark.parametrize("role", list(Role), ids=str)
def test_what_a_role_may_and_what_is_said_of_the_rest(opened: Callable[..., MonitorService], role: Role) -> None:
    station = opened(mode="password")
    app = run(ASKED, token_of(station, role, name="ada"))
    rows = [
        f"{asked} True True -" if asked <= role else f"{asked} False False This takes the role {asked}."
        for asked in Role
    ]
    assert [text.value for text in app.text] == [*rows, "ada"]
    assert [toast.value for toast in app.toast] == [
        f"Not done: it takes the role {asked}, and yours is {role}." for asked in Role if asked > role
    ]
    assert [(entry.person, entry.action, entry.client) for entry in station.audit.last(9)] == [
        ("ada", "looked", "127.0.0.1")
    ]


def test_who_is_not_signed_in_may_nothing(opened: Callable[..., MonitorService]) -> None:
    opened(mode="password")
    app = run(ASKED)
    assert not any("True" in text.value for text in app.text)
    assert {toast.value for toast in app.toast} == {ENDED}


def test_a_part_that_is_drawn_again_is_drawn_for_nobody_else(opened: Callable[..., MonitorService]) -> None:
    station = opened(mode="password")
    token = token_of(station, Role.VIEWER, name="eve")
    app = run(DRAWN, token)
    assert [text.value for text in app.text] == ["a secret"]
    station.sessions.end(token)
    with pytest.raises(RuntimeError, match="timed out"):  # the page would ask who is there; this one asks for ever
        AppTest.from_string(DRAWN, default_timeout=2).run()


@pytest.mark.parametrize(
    ("role", "locked"),
    [
        (Role.VIEWER, {"Fake `C`", "False alarm `X`", "Unsure `U`", "Looked at `R`"}),
        (Role.REVIEWER, set()),
        (Role.ADMIN, set()),
    ],
)
def test_a_viewer_judges_no_flag(opened: Callable[..., MonitorService], role: Role, locked: set[str]) -> None:
    station = opened(mode="password")
    app = run(page("review"), token_of(station, role, name="ada"))
    assert "Your name" not in [box.label for box in app.text_input]
    assert {button.label for button in app.button if button.disabled} == locked
    if not locked:
        next(button for button in app.button if button.label.startswith("False alarm")).click().run()
        assert station.archive.store.get(flag().id).reviewed_by == "ada"


def test_what_is_pressed_is_looked_at_again(opened: Callable[..., MonitorService]) -> None:
    station = opened(mode="password")
    app = run(page("review"), token_of(station, Role.REVIEWER, name="ada"))
    for session in station.sessions._sessions.values():
        session.person = User("ada", Role.VIEWER)
    next(button for button in app.button if button.label.startswith("False alarm")).click().run()
    assert station.archive.store.get(flag().id).reviewed_at is None
    assert [toast.value for toast in app.toast] == ["Not done: it takes the role reviewer, and yours is viewer."]


@pytest.mark.parametrize(("role", "shown"), [(Role.VIEWER, False), (Role.REVIEWER, False), (Role.ADMIN, True)])
def test_sources_and_the_log_are_the_admins(opened: Callable[..., MonitorService], role: Role, shown: bool) -> None:
    station = opened(mode="password")
    station.audit.note("source added", person="ada", what="rtsp://ada:***@cam/live")
    token = token_of(station, role, name="ada")
    assert ("Watch it" in [button.label for button in run(page("live"), token).button]) is shown
    app = run(page("system"), token)
    assert ("Who did what" in [header.value for header in app.subheader]) is shown
    assert ("Examine it" in [button.label for button in app.button]) is shown


def test_who_is_not_signed_in_sees_the_form_and_no_page(opened: Callable[..., MonitorService]) -> None:
    station = opened(mode="password")
    app = run("from monitor.dashboard.pages import show\nshow()")
    assert [header.value for header in app.header] == ["Sign in"]
    assert "people add NAME --role admin" in app.info[0].value
    assert len(app.sidebar.button) == 0
    station.accounts.add("ada", role=Role.ADMIN, password=PASSWORD)
    assert len(run("from monitor.dashboard.pages import show\nshow()").info) == 0
