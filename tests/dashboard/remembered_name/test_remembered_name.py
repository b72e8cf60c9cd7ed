"""The user's name in a real browser: it outlives a reload, and can be deleted."""

from collections.abc import Iterator
from typing import Any

import pytest
import streamlit as st
from support.live_page import Server, browsing

from monitor.dashboard.remembered_name import COOKIE, LONGEST, read_name

SECONDS = 60_000  # milliseconds that a busy machine may take


@pytest.fixture
def context() -> Iterator[Any]:
    with browsing() as browser:
        yield browser.new_context()


def show(page: Any, server: Server, *, name: str) -> None:
    page.goto(f"{server.url}/?show=name")
    page.get_by_text(f"I am {name}", exact=True).wait_for(timeout=SECONDS)


def save(page: Any, name: str) -> None:
    field = page.get_by_role("textbox", name="Your name")
    field.fill(name)
    field.press("Enter")
    page.get_by_text(f"I am {name or 'nobody'}", exact=True).wait_for(timeout=SECONDS)


def wait_for_cookie(page: Any, text: str) -> None:
    """Waits until the name's cookie is this text; Streamlit has cookies of its own."""
    own = "document.cookie.split('; ').filter(one => one.startsWith(name)).join()"
    page.wait_for_function(f"([name, text]) => {own} === text", arg=[COOKIE, text], timeout=SECONDS)


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_a_name_outlives_a_reload_and_can_be_deleted(context: Any, server: Server) -> None:
    page = context.new_page()
    show(page, server, name="nobody")
    save(page, "Zoë; O'Neil")
    wait_for_cookie(page, f"{COOKIE}=Zo%C3%AB%3B%20O'Neil")
    show(page, server, name="Zoë; O'Neil")
    show(context.new_page(), server, name="Zoë; O'Neil")
    save(page, "")
    wait_for_cookie(page, "")
    show(page, server, name="nobody")


@pytest.mark.parametrize(
    ("cookie", "name"),
    [("", ""), ("Zo%C3%AB%20", "Zoë"), ("a%0Ab%00", "ab"), ("x" * 500, "x" * LONGEST), ("%FF", "\ufffd")],
)
def test_a_cookie_is_read_as_one_printable_line(monkeypatch: pytest.MonkeyPatch, cookie: str, name: str) -> None:
    monkeypatch.setattr(type(st.context), "cookies", {COOKIE: cookie} if cookie else {})
    assert read_name() == name
