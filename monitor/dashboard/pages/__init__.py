"""What people see. Each page is one file and one registration; all of them only look up what the station does.

live      what is watched now
analyse   uploaded files
review    flags, and what people make of them
model     who judges, and how well
system    how this machine is doing
sign_in   instead of all of them, while nobody is signed in
"""

from collections.abc import Callable
from importlib import resources

import streamlit as st

from monitor.dashboard.pages import analyse, live, model, review, sign_in, system
from monitor.dashboard.pages.current_user import person

_PAGES: dict[str, Callable[[], None]] = {
    "live": live.show,
    "analyse": analyse.show,
    "review": review.show,
    "model": model.show,
    "system": system.show,
}


def register(name: str, draw: Callable[[], None]) -> None:
    """Offer another page: the end of its address, which is also its title, and what draws it."""
    _PAGES[name] = draw


def show() -> None:
    """The page that the address names."""
    icon = resources.files("monitor").joinpath("assets/icon.png")
    st.set_page_config("Deepfake monitor", page_icon=str(icon), layout="wide")
    known = person() is not None
    pages = [  # without icons: a page's becomes the tab's, which the browser would fetch from a font server
        st.Page(draw if known else sign_in.show, title=name.capitalize(), url_path=name, default=name == "live")
        for name, draw in _PAGES.items()
    ]
    if known:
        sign_in.welcome()
    st.navigation(pages, position="top" if known else "hidden").run()
