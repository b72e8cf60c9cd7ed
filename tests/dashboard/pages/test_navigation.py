"""A page of the dashboard is one function and one registration: the navigation and the sign-in follow."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import monitor.server.service
from monitor.dashboard import pages
from monitor.dashboard.pages import register
from monitor.server.auth.user import Role, User

PAGE = Path(monitor.dashboard.__file__).parent / "script" / "page.py"


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """Titles in the navigation; with a registered page, which is the one that is shown."""
    monkeypatch.setenv("DEEPFAKE_MONITOR_EVIDENCE__FOLDER", str(tmp_path / "kept"))
    monkeypatch.setattr(pages, "_PAGES", dict(pages._PAGES))
    register("probe", lambda: st.write("A page that was registered"))
    titles: list[str] = []
    navigation = st.navigation

    def only_probe(found: list, *, position: str) -> object:
        titles.extend(page.title for page in found)
        return navigation([page for page in found if page.title == "Probe"], position=position)

    monkeypatch.setattr(st, "navigation", only_probe)
    yield titles
    monitor.server.service.current().close()
    monitor.server.service.install(None)


def test_a_registered_page_is_in_the_navigation_and_is_shown(offered: list[str]) -> None:
    app = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not app.exception
    assert offered == ["Live", "Analyse", "Review", "Model", "System", "Probe"]
    assert "A page that was registered" in [one.value for one in app.markdown]


def test_each_page_has_its_own_title_and_the_side_bar_is_open_where_it_is_used(
    offered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[tuple[str, str]] = []
    monkeypatch.setattr(
        st, "set_page_config", lambda title, **options: heads.append((title, options["initial_sidebar_state"]))
    )
    AppTest.from_file(str(PAGE), default_timeout=60).run()
    now = monitor.server.service.current()
    access = now.settings.access.model_copy(update={"mode": "password"})
    now.settings = now.settings.model_copy(update={"access": access})
    monkeypatch.setattr(pages, "get_user", lambda: User("ada", Role.VIEWER))
    AppTest.from_file(str(PAGE), default_timeout=60).run()
    title = "Probe - Deepfake monitor"
    assert heads == [(title, "collapsed"), (title, "auto")], "with a sign-in, the sign-out button is there"


def test_nobody_sees_a_registered_page_before_the_sign_in(offered: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "get_user", lambda: None)
    monkeypatch.setattr(pages.sign_in, "show", lambda: st.write("Sign in first"))
    app = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert [one.value for one in app.markdown] == ["Sign in first"]
