"""What several pages say in the same way: labels with a sign beside their colour, times, and addresses of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

import streamlit as st

from monitor.dashboard import station
from monitor.dashboard.routes import PREFIX
from monitor.overlay.plates import percent
from monitor.types import Label

if TYPE_CHECKING:
    from collections.abc import Mapping

INDICATION: Final = "An indication, not proof."
_BADGES: Final[Mapping[Label, tuple[str, str]]] = {
    Label.NOT_ENOUGH_EVIDENCE: ("gray", ":material/help:"),
    Label.LIKELY_REAL: ("green", ":material/check_circle:"),
    Label.SUSPICIOUS: ("orange", ":material/warning:"),
    Label.LIKELY_FAKE: ("red", ":material/report:"),
}


def badge(label: Label) -> str:
    """A label in Markdown: its words, a sign and a colour."""
    colour, icon = _BADGES[label]
    return f":{colour}-badge[{icon} {label.in_words}]"


def probability(value: float | None) -> str:
    """P(fake) as people read it."""
    return "unknown" if value is None else percent(value)


def token() -> str:
    """What this browser tab shows the routes; handed out once a tab, and again if it has expired."""
    here = station.current()
    kept = st.session_state.get("token")
    if kept is None or not here.admitted(kept):
        kept = st.session_state["token"] = here.admit()
    return str(kept)


def route(*parts: str) -> str:
    """The path of one of our routes, from any page."""
    base = st.get_option("server.baseUrlPath").strip("/")
    return "/".join((f"/{base}" if base else "", PREFIX, *parts))


def address(*parts: str, **query: str) -> str:
    """The same with this tab's token and a query."""
    return f"{route(*parts)}?{urlencode({'token': token(), **query})}"


def absolute(*parts: str) -> str:
    """The same with the host, for players that take nothing else."""
    here = urlsplit(st.context.url or "")
    return f"{here.scheme}://{here.netloc}{address(*parts)}"


def reporter() -> str:
    """Who is looking: the signed-in person, or the name given in the side bar."""
    if st.user.get("is_logged_in"):
        return str(st.user.get("email") or st.user.get("name") or "")
    return str(st.session_state.get("who", ""))


def ask_reporter() -> None:
    """Let people say who they are, where nobody signs in."""
    if not st.user.get("is_logged_in"):
        help_text = "Goes into flags and reviews."
        name = st.sidebar.text_input("Your name", reporter(), help=help_text, max_chars=80)
        st.session_state["who"] = name.strip()  # a widget's own value is lost with its page
