"""The pages of the dashboard, one file and one registration each; their values come from the running MonitorService.

live      the live sources
analyse   uploaded files and their results
review    the review of flags
model     the classifier, its accuracy and its thresholds
system    engine, storage, audit log and machine check
sign_in   the only page until a person signs in
"""

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Final

import streamlit as st

from monitor.dashboard.pages import analyse, live, model, review, sign_in, system
from monitor.dashboard.pages.current_user import get_user
from monitor.server import service

_PAGES: dict[str, Callable[[], None]] = {
    "live": live.show,
    "analyse": analyse.show,
    "review": review.show,
    "model": model.show,
    "system": system.show,
}
_WITH_SIDE_BAR: Final = "live"  # without a sign-in; with one, every page has the sign-out button there


def register(name: str, draw: Callable[[], None]) -> None:
    """Registers another page by the last part of its URL, which is also its title, and its drawing function."""
    _PAGES[name] = draw


def show() -> None:
    """Shows the page of the URL path."""
    is_signed_in = get_user() is not None
    pages = [  # without icons: a page's icon becomes the tab's icon, which the browser would fetch from a font server
        st.Page(draw if is_signed_in else sign_in.show, title=name.capitalize(), url_path=name, default=name == "live")
        for name, draw in _PAGES.items()
    ]
    if is_signed_in:
        sign_in.welcome()
    is_open = service.current().settings.access.mode == "open"
    page = st.navigation(pages, position="top" if is_signed_in else "hidden")
    st.set_page_config(
        f"{page.title if is_signed_in else 'Sign in'} - Deepfake monitor",
        page_icon=str(resources.files("monitor").joinpath("assets/icon.png")),
        layout="wide",
        initial_sidebar_state="auto" if page.title.lower() == _WITH_SIDE_BAR or not is_open else "collapsed",
    )
    st.html(Path(__file__).with_name("style.css"))
    page.run()
