"""The live picture in the browser: frame, boxes, labels and heat-map on a canvas, and the flag that comes back.

A Streamlit component (v2) without a build step. Its script is one module, put together from five files: ``feed.js``
(WebSocket -> frames), ``formatting.js`` (values -> words), ``layout.js`` (where plates go), ``picture.js`` (frame ->
pixels) and ``viewer.js`` (what a person touches).
The frames themselves never pass through Streamlit: see monitor.server.frame_messages.
"""

import math
from collections.abc import Callable
from typing import Any, Final, TypedDict

import streamlit as st

from monitor.dashboard.components import part
from monitor.overlay import OverlaySettings
from monitor.overlay.heat import FAKE_RGB, REAL_RGB
from monitor.overlay.outlines import OUTLINES

_SCRIPTS: Final = ("feed.js", "formatting.js", "layout.js", "picture.js", "viewer.js")


class FlaggedView(TypedDict):
    """What was on the canvas when somebody pressed the flag."""

    connection: int  # of the connection to the source
    frame: int  # index within the connection
    time: float  # media time, seconds
    track: int | None  # the face it is about; None: the picture as a whole


def viewer(
    *,
    key: str,
    url: str,
    token: str,
    title: str,
    on_flag: Callable[[FlaggedView], None] | None = None,
    primary: bool = True,
) -> FlaggedView | None:
    """Show a live stream; the connection outlives reruns for as long as ``url`` and ``token`` stay the same.

    Args:
        key: of this element, unique on the page.
        url: of the WebSocket route. A relative one is resolved against the page's address, as Streamlit's own
            files are, and so lives behind any prefix; one with a leading slash needs ``server.baseUrlPath`` in it.
        token: goes along as the query parameter ``token``.
        title: what is watched, in a few words.
        on_flag: called with the moment before the rerun that a flag causes; without it there is no flag to press.
        primary: whether the key F works everywhere on the page, not only while the focus is inside.

    Returns:
        The moment that was flagged, in the one run that the flag causes; else None.
    """

    def flagged() -> None:
        moment = moment_of(st.session_state[key].get("flag"))
        if moment is not None and on_flag is not None:
            on_flag(moment)

    data = {
        "url": url,
        "token": token,
        "title": title,
        "primary": primary,
        "flags": on_flag is not None,
        "look": _look(),
    }
    return moment_of(part(__name__, *_SCRIPTS)(key=key, data=data, on_flag_change=flagged).get("flag"))


def _look() -> dict[str, Any]:
    """Colours and line styles: those of the overlay, so that a picture looks the same everywhere."""
    return {
        "outlines": {
            label.value: {"rgb": style.rgb, "pieces": style.pieces, "weight": style.weight}
            for label, style in OUTLINES.items()
        },
        "fake": FAKE_RGB,
        "real": REAL_RGB,
        "opacity": OverlaySettings().opacity,
    }


def moment_of(sent: object) -> FlaggedView | None:
    """What a browser sent, checked: None if it is not a moment."""
    match sent:
        case {
            "connection": int(connection),
            "frame": int(frame),
            "time": int(time) | float(time),
            "track": int() | None as track,
        }:
            usable = connection >= 0 and frame >= 0 and math.isfinite(time)
            return FlaggedView(connection=connection, frame=frame, time=float(time), track=track) if usable else None
        case _:
            return None
