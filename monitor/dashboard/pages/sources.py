"""The list of sources in the side bar: add, pause, rename, remove."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

import streamlit as st

from monitor.dashboard.pages.alarms import announce, worst_face
from monitor.dashboard.pages.current_user import (
    audit,
    check_role,
    explain_denial,
    get_reporter,
    get_token,
    has_role,
    refresh,
)
from monitor.dashboard.pages.formatting import badge, escape, route
from monitor.dashboard.webcam import webcam
from monitor.errors import MonitorError
from monitor.media.sources.address import kinds, known_forms
from monitor.runtime import StreamState, StreamStatus
from monitor.server.auth.user import Role
from monitor.server.service import MonitorService
from monitor.server.stream import Stream, camera_id
from monitor.types import Label

_BADGES: Final[Mapping[StreamState, tuple[str, str]]] = {
    StreamState.WAITING: ("orange", ":material/hourglass_empty:"),
    StreamState.CONNECTING: ("blue", ":material/sync:"),
    StreamState.LIVE: ("green", ":material/sensors:"),
    StreamState.STALLED: ("orange", ":material/hourglass:"),
    StreamState.RECONNECTING: ("orange", ":material/sync_problem:"),
    StreamState.PAUSED: ("gray", ":material/pause:"),
    StreamState.ENDED: ("gray", ":material/stop_circle:"),
    StreamState.FAILED: ("red", ":material/error:"),
}
_TYPED: Final = "Camera or address"
WATCHED: Final = "watched"  # key in the tab's session: id of the stream on the page
LISTED: Final = 12  # sources that a page lists or shows at a time; a browser opens only so many connections
_OWN: Final = "Camera of this browser"
_OWN_KEY, _OWN_IS_ON = "own-camera-key", "own-camera-is-on"  # keys in the tab's session


def describe(status: StreamStatus) -> str:
    """A stream's state in Markdown, with its reason."""
    colour, icon = _BADGES[status.state]
    again = "" if status.retry_after is None else f", attempt {status.attempt} in {status.retry_after:.0f} s"
    return f":{colour}-badge[{icon} {status.state}{again}]" + (f" {escape(status.reason)}" if status.reason else "")


@refresh(every=2.0)
def list_sources(monitor_service: MonitorService) -> None:
    """Lists the sources, each with its state, its worst label and its buttons; of many, the urgent or searched ones."""
    st.subheader("Sources")
    streams = monitor_service.streams
    faces = {stream.id: face for stream in streams if (face := worst_face(stream)) is not None}
    words = st.text_input("Find a source", key="find-source") if len(streams) > LISTED else ""
    listed = choose_listed(streams, words=words, suspicious=faces.keys())
    for stream in listed:
        with st.container(border=True):
            st.markdown(f"**{escape(stream.name)}**  \n{describe(stream.status)}")
            if stream.id in faces:
                st.markdown(f"Face {faces[stream.id]['id']}: {badge(Label(faces[stream.id]['label']))}")
            _buttons(monitor_service, stream)
    if len(listed) < len(streams):
        st.caption(f"{len(listed)} of {len(streams)} sources: suspicious ones first, then those without a picture.")
    names = {stream.id: stream.name for stream in streams}
    announce({one: (names[one], face) for one, face in faces.items()}, shown=st.session_state.get(WATCHED))


def choose_listed(streams: Sequence[Stream], *, words: str, suspicious: Collection[str]) -> Sequence[Stream]:
    """All of few sources; of many, at most ``LISTED`` whose names contain the words, the urgent ones first.

    Args:
        suspicious: ids of the sources with a suspicious face.
    """
    if len(streams) <= LISTED:
        return streams
    found = [stream for stream in streams if words.strip().casefold() in stream.name.casefold()]
    found.sort(key=lambda stream: (stream.id not in suspicious, stream.status.state is StreamState.LIVE))
    return found[:LISTED]


def _buttons(monitor_service: MonitorService, stream: Stream) -> None:
    state = stream.status.state
    row = st.container(horizontal=True, gap="small")
    locked = explain_denial(Role.ADMIN)
    is_stopped = state is StreamState.PAUSED or state.over
    action = "Resume" if is_stopped else "Pause"  # words, because a screen reader reads an icon and its help
    if row.button(action, help=locked or None, key=f"{action}-{stream.id}", disabled=bool(locked)) and check_role(
        Role.ADMIN
    ):
        (stream.resume if is_stopped else stream.pause)()
        audit("source resumed" if is_stopped else "source paused", stream.address)
        st.rerun(scope="fragment")
    with row.popover("Rename", help=locked or None, disabled=bool(locked)):
        name = st.text_input("Name", stream.name, key=f"name-{stream.id}", max_chars=80)
        if st.button("Save", key=f"rename-{stream.id}", disabled=bool(locked)) and check_role(Role.ADMIN):
            audit("source renamed", stream.address)
            monitor_service.rename(stream, name)
            st.rerun()
    with row.popover("Remove", help=locked or None, disabled=bool(locked)):
        st.markdown(f"Stop monitoring {escape(stream.name)}? Its flags stay.")
        is_pressed = st.button("Remove it", key=f"remove-{stream.id}", type="primary", disabled=bool(locked))
        if is_pressed and check_role(Role.ADMIN):
            monitor_service.remove(stream.id)
            audit("source removed", stream.address)
            st.rerun()


def ask_source(monitor_service: MonitorService) -> None:
    """Shows a form for a new source, if the user's role allows it."""
    if not has_role(Role.REVIEWER):
        return
    choices = {kind.choice: kind.example for kind in kinds() if kind.choice}
    offered = [_TYPED, *choices, _OWN] if has_role(Role.ADMIN) else [_OWN]
    with st.expander("Add a source", expanded=not monitor_service.streams):
        kind = st.selectbox("Kind", offered, key="new-kind")
        if kind != _OWN:
            _form(monitor_service, fixed=choices.get(kind, ""))
    own = st.container()  # outside the expander, so that a running camera stays visible
    if kind == _OWN or st.session_state.get(_OWN_IS_ON):
        with own:
            _own_camera()


def _own_camera() -> None:
    """Shows the browser's own camera; the page switches to it when it starts."""
    key = st.session_state.setdefault(_OWN_KEY, secrets.token_urlsafe(18))
    query = urlencode({"name": get_reporter()})
    is_on = webcam(key="own-camera", url=f"{route('camera', key)}?{query}", token=get_token(), title=_OWN)
    st.caption(
        "The camera is monitored while this page is open. Everyone with access to this dashboard can see it. "
        "Only flagged moments are saved."
    )
    if is_on and not st.session_state.get(_OWN_IS_ON):
        st.session_state[WATCHED] = camera_id(key)
    st.session_state[_OWN_IS_ON] = is_on


def _form(monitor_service: MonitorService, *, fixed: str) -> None:
    """Shows the fields for a name and an address; ``fixed`` is the address of a kind that needs no input."""
    with st.form("new-source", clear_on_submit=True, border=False):
        url = fixed or st.text_input("Address", placeholder=kinds()[0].example, help=known_forms())
        name = st.text_input("Name", max_chars=80)
        if st.form_submit_button("Add source", width="stretch") and check_role(Role.ADMIN):
            try:
                stream = monitor_service.add_saved(url, name=name, repeat=url == "demo:")
            except MonitorError as error:
                st.error(escape(str(error)))
            else:
                audit("source added", stream.address)
                st.rerun()
