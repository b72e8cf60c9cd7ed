"""The camera of whoever looks at the page: browser -> JPEG -> WebSocket.

Each message is ``float64 big-endian, Unix milliseconds of the picture | JPEG``; the server answers each with the
text ``{"ack": n}``. Two are under way at most, 15 a second at most, their longer side 1280 pixels at most. Close
codes are those of monitor.dashboard.messages. Browsers give a camera only to https pages and to localhost.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer


@cache
def _component() -> ComponentRenderer:
    """Registered with the first page that shows it: importing this module needs no running Streamlit."""
    files = resources.files(__package__)
    return st.components.v2.component(
        "deepfake_monitor.webcam",
        html=files.joinpath("webcam.html").read_text(encoding="utf-8"),
        css=files.joinpath("webcam.css").read_text(encoding="utf-8"),
        js=files.joinpath("webcam.js").read_text(encoding="utf-8"),
    )


def webcam(*, key: str, url: str, token: str, title: str) -> bool:
    """Offer to send the browser's own camera; nothing is taken before somebody presses start.

    Args:
        key: of this element, unique on the page.
        url: of the WebSocket route, resolved as monitor.dashboard.viewer does.
        token: goes along as the query parameter ``token``.
        title: what this is for, in a few words.

    Returns:
        Whether pictures are being sent; the page runs again when that changes.
    """
    data = {"url": url, "token": token, "title": title}
    sent = _component()(key=key, data=data, default={"running": False}, on_running_change=lambda: None)
    return sent.get("running") is True
