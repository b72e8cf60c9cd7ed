"""Remembers the user's name in this browser, in the mode "open", which has no sign-in: a cookie for one year."""

from typing import Final
from urllib.parse import unquote

import streamlit as st

from monitor.dashboard.components import load_component

COOKIE: Final = "deepfake-monitor-name"
LONGEST: Final = 80  # characters


def read_name() -> str:
    """The name from this browser's cookie; "" without one."""
    name = unquote(st.context.cookies.get(COOKIE, ""))
    return "".join(filter(str.isprintable, name)).strip()[:LONGEST]


def remember_name(name: str, *, key: str) -> None:
    """Saves the name in this browser; an empty name deletes the cookie.

    Args:
        name: of the user.
        key: of this element, unique on the page.
    """
    load_component(__name__)(key=key, data={"cookie": COOKIE, "name": name})
