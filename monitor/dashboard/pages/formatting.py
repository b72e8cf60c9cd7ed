"""What several pages say in the same way: labels with a sign beside their colour, times, and addresses of files."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

import streamlit as st

from monitor.dashboard.pages.current_user import token
from monitor.server.routes import PREFIX
from monitor.types import HintKind, Label
from monitor.types.formatting import clock, clock_span

_PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")  # what Markdown may take for its own
_ESCAPE: Final = r"\\\1"
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


def notice(kind: HintKind, detail: str, since: float, until: float | None = None) -> str:
    """A hint on the stream itself in Markdown, in a colour that no label has."""
    when = f"since {clock(since)}" if until is None else clock_span(since, until)
    said = f":violet-badge[:material/sensors_off: stream: {kind.in_words} {when}]"
    return f"{said} {_PUNCTUATION.sub(_ESCAPE, detail)}" if detail else said


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
