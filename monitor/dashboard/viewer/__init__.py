"""The live picture in the browser: frame, boxes, labels and heat-map on a canvas, and a button to flag a moment.

A Streamlit component (v2) without a build step. Its script is one module, joined from five files: ``feed.js``
(WebSocket -> frames), ``formatting.js`` (values -> text), ``layout.js`` (positions of the plates), ``picture.js``
(frame -> pixels) and ``viewer.js`` (the controls).
The frames never pass through Streamlit: see monitor.server.frame_messages.
"""

import math
from collections.abc import Callable
from typing import Any, Final, TypedDict

import streamlit as st

from monitor.dashboard.components import load_component
from monitor.overlay import OverlaySettings
from monitor.overlay.heat import FAKE_RGB, REAL_RGB
from monitor.overlay.outlines import OUTLINES

_SCRIPTS: Final = ("feed.js", "formatting.js", "layout.js", "picture.js", "viewer.js")


class FlaggedView(TypedDict):
    """The moment on the canvas when a person pressed the flag button."""

    connection: int  # of the connection to the source
    frame: int  # index within the connection
    time: float  # media time, seconds
    track: int | None  # id of the selected face; None: the whole picture


def viewer(
    *,
    key: str,
    url: str,
    token: str,
    title: str,
    on_flag: Callable[[FlaggedView], None] | None = None,
    primary: bool = True,
) -> FlaggedView | None:
    """Shows a live stream; the connection survives reruns as long as ``url`` and ``token`` stay the same.

    Args:
        key: of this element, unique on the page.
        url: of the WebSocket route, resolved against the page's address.
        token: sent as the query parameter ``token``.
        title: the name of the stream.
        on_flag: called with the moment before the rerun that a flag causes; None hides the flag button.
        primary: whether the key F works everywhere on the page, not only while the focus is inside.

    Returns:
        The flagged moment in the run that the flag causes; otherwise None.
    """

    def report_flag() -> None:
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
    return moment_of(load_component(__name__, *_SCRIPTS)(key=key, data=data, on_flag_change=report_flag).get("flag"))


def _look() -> dict[str, Any]:
    """Colours and line styles of the overlay, so that live pictures and saved pictures look the same."""
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
    """Checks a value that the browser sent; None if it is not a valid moment."""
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
