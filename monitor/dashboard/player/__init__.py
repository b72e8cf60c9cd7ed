"""A video player that seeks to an exact time, plays a span, and steps frame by frame.

Streamlit's own player seeks to whole seconds only, and reloads the video for each of them.
"""

import math
from collections.abc import Callable

import streamlit as st

from monitor.dashboard.components import load_component


def player(
    *,
    key: str,
    url: str,
    title: str,
    fps: float | None,
    start: float,
    end: float | None,
    request: int,
    on_flag: Callable[[float], None] | None = None,
) -> None:
    """Shows a video.

    Args:
        key: of this element, unique on the page.
        url: of an mp4 whose route serves byte ranges.
        title: a short name of the video.
        fps: frames per second, for single steps; None: a still picture without controls.
        start: media time (seconds) to seek to.
        end: media time to pause at; None: the video's end.
        request: counts the requests to seek; a new number seeks again.
        on_flag: called with the media time of the frame on the screen when a person flags it, with the button or with
            the key F, before the page runs again; None hides the button.
    """

    def report_flag() -> None:
        moment = moment_of(st.session_state[key].get("flagged"))
        if moment is not None and on_flag is not None:
            on_flag(moment)

    data = {"url": url, "title": title, "fps": fps, "start": start, "end": end, "request": request}
    data["flags"] = on_flag is not None
    load_component(__name__)(key=key, data=data, on_flagged_change=report_flag)


def moment_of(sent: object) -> float | None:
    """Checks a media time that the browser sent; None if it is not a valid one."""
    match sent:
        case {"time": int(time) | float(time)} if math.isfinite(time) and time >= 0:
            return float(time)
        case _:
            return None
