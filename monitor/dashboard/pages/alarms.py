"""Suspicious faces in the sources that are not on the screen."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from monitor.dashboard.pages.formatting import escape
from monitor.server.stream import Stream
from monitor.types import Label

_MAX_TOASTS: Final = 4  # at the same time; more are told as a number
_ALARMED: Final = "alarmed"  # key in the tab's session: ids of the streams that are suspicious now


def worst_face(stream: Stream) -> Mapping[str, Any] | None:
    """The most suspicious face in a stream's newest frame; None if no face is suspicious, or the stream is over."""
    now = stream.broadcaster.now
    faces: Sequence[Mapping[str, Any]] = () if now is None else now["faces"]
    suspicious = [face for face in faces if Label(face["label"]).suspects]
    if not suspicious or stream.status.state.over:
        return None
    return max(suspicious, key=lambda face: Label(face["label"]).severity)


def announce(found: Mapping[str, tuple[str, Mapping[str, Any]]], *, shown: str | None) -> None:
    """Tells once about each stream that has become suspicious while another one is on the screen.

    Args:
        found: name and worst face of each suspicious stream, by its id.
        shown: id of the stream on the screen.
    """
    before: frozenset[str] = st.session_state.get(_ALARMED, frozenset())
    new = found.keys() - before - {shown}
    if len(new) > _MAX_TOASTS:
        st.toast(f"{len(new)} more sources are suspicious", icon=":material/notifications_active:")
    for stream_id in new if len(new) <= _MAX_TOASTS else ():
        name, face = found[stream_id]
        st.toast(
            f"{escape(name)}: face {face['id']} is {Label(face['label']).in_words}",
            icon=":material/notifications_active:",
        )
    st.session_state[_ALARMED] = frozenset(found)
