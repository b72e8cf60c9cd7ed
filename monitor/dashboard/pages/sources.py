"""What is watched: add, pause, rename, remove."""

import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

import streamlit as st

from monitor.dashboard.pages.current_user import audit, lacking, may, permitted, refreshed, reporter, token
from monitor.dashboard.pages.formatting import route
from monitor.dashboard.webcam import webcam
from monitor.errors import MonitorError
from monitor.media.sources.address import kinds, known_forms
from monitor.runtime import StreamState, StreamStatus
from monitor.server.auth.user import Role
from monitor.server.service import MonitorService
from monitor.server.stream import Stream, camera_id

_BADGES: Final[Mapping[StreamState, tuple[str, str]]] = {
    StreamState.CONNECTING: ("blue", ":material/sync:"),
    StreamState.LIVE: ("green", ":material/sensors:"),
    StreamState.STALLED: ("orange", ":material/hourglass:"),
    StreamState.RECONNECTING: ("orange", ":material/sync_problem:"),
    StreamState.PAUSED: ("gray", ":material/pause:"),
    StreamState.ENDED: ("gray", ":material/stop_circle:"),
    StreamState.FAILED: ("red", ":material/error:"),
}
_TYPED: Final = "Camera or address"
WATCHED: Final = "watched"  # in the tab's session: the id of the channel that is looked at
_OWN: Final = "Camera of this browser"
_OWN_KEY, _OWN_IS_ON = "own-camera-key", "own-camera-is-on"  # in the tab's session


def describe(status: StreamStatus) -> str:
    """A watch's state in Markdown, with its reason."""
    colour, icon = _BADGES[status.state]
    again = "" if status.retry_after is None else f", attempt {status.attempt} in {status.retry_after:.0f} s"
    return f":{colour}-badge[{icon} {status.state}{again}]" + (f" {status.reason}" if status.reason else "")


@refreshed(every=2.0)
def list_sources(station: MonitorService) -> None:
    """The sources, each with its state and what can be done with it."""
    st.subheader("Sources")
    for channel in station.channels:
        with st.container(border=True):
            st.markdown(f"**{channel.name}**  \n{describe(channel.status)}")
            _buttons(station, channel)


def _buttons(station: MonitorService, channel: Stream) -> None:
    state = channel.status.state
    row = st.container(horizontal=True, gap="small")
    locked = lacking(Role.ADMIN)
    resting = state is StreamState.PAUSED or state.over
    words, icon = ("Resume", ":material/play_arrow:") if resting else ("Pause", ":material/pause:")
    about = locked or f"{words} {channel.name}"
    if row.button(
        "", icon=icon, help=about, key=f"{words}-{channel.id}", width="stretch", disabled=bool(locked)
    ) and permitted(Role.ADMIN):
        (channel.resume if resting else channel.pause)()
        audit("source resumed" if resting else "source paused", channel.address)
        st.rerun(scope="fragment")
    about = locked or f"Rename {channel.name}"
    with row.popover("", icon=":material/edit:", help=about, width="stretch", disabled=bool(locked)):
        name = st.text_input("Name", channel.name, key=f"name-{channel.id}", max_chars=80)
        if st.button("Rename", key=f"rename-{channel.id}", disabled=bool(locked)) and permitted(Role.ADMIN):
            audit("source renamed", channel.address)
            channel.name = name.strip() or channel.address
            st.rerun()
    about = locked or f"Remove {channel.name}"
    if row.button(
        "", icon=":material/delete:", help=about, key=f"remove-{channel.id}", width="stretch", disabled=bool(locked)
    ) and permitted(Role.ADMIN):
        station.remove(channel.id)
        audit("source removed", channel.address)
        st.rerun()


def ask_source(station: MonitorService) -> None:
    """A form for one more source, for those who may."""
    if not may(Role.REVIEWER):
        return
    choices = {kind.choice: kind.example for kind in kinds() if kind.choice}
    offered = [_TYPED, *choices, _OWN] if may(Role.ADMIN) else [_OWN]
    with st.expander("Add a source", expanded=not station.channels):
        kind = st.selectbox("Kind", offered, key="new-kind")
        if kind != _OWN:
            _form(station, fixed=choices.get(kind, ""))
    own = st.container()  # outside, so that what is on stays in sight whatever is chosen above
    if kind == _OWN or st.session_state.get(_OWN_IS_ON):
        with own:
            _own_camera()


def _own_camera() -> None:
    """The camera of whoever looks; it is what they see once it is on."""
    key = st.session_state.setdefault(_OWN_KEY, secrets.token_urlsafe(18))
    query = urlencode({"name": reporter()})
    is_on = webcam(key="own-camera", url=f"{route('camera', key)}?{query}", token=token(), title=_OWN)
    st.caption(
        "It is watched while this page is open, and everybody who may use this dashboard sees it. "
        "Nothing is kept but what is flagged."
    )
    if is_on and not st.session_state.get(_OWN_IS_ON):
        st.session_state[WATCHED] = camera_id(key)
    st.session_state[_OWN_IS_ON] = is_on


def _form(station: MonitorService, *, fixed: str) -> None:
    """Asks for a name and, where the kind has no ``fixed`` one, for an address."""
    with st.form("new-source", clear_on_submit=True, border=False):
        url = fixed or st.text_input("Address", placeholder=kinds()[0].example, help=known_forms())
        name = st.text_input("Name", max_chars=80)
        if st.form_submit_button("Watch it", width="stretch") and permitted(Role.ADMIN):
            try:
                channel = station.add(url, name=name, repeat=url == "demo:")
            except MonitorError as error:
                st.error(str(error))
            else:
                audit("source added", channel.address)
                st.rerun()
