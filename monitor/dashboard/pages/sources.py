"""What is watched: add, pause, rename, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from monitor.errors import MonitorError
from monitor.session import WatchState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.dashboard.channel import Channel
    from monitor.dashboard.station import Station
    from monitor.session import WatchStatus

_BADGES: Final[Mapping[WatchState, tuple[str, str]]] = {
    WatchState.CONNECTING: ("blue", ":material/sync:"),
    WatchState.LIVE: ("green", ":material/sensors:"),
    WatchState.STALLED: ("orange", ":material/hourglass:"),
    WatchState.RECONNECTING: ("orange", ":material/sync_problem:"),
    WatchState.PAUSED: ("gray", ":material/pause:"),
    WatchState.ENDED: ("gray", ":material/stop_circle:"),
    WatchState.FAILED: ("red", ":material/error:"),
}
_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "Camera or address": ("", "rtsp://user:password@camera/stream"),
    "Webcam of the server": ("webcam:0", ""),
    "Screen of the server": ("screen:", ""),
    "Demo": ("demo:", ""),
}


def describe(status: WatchStatus) -> str:
    """A watch's state in Markdown, with its reason."""
    colour, icon = _BADGES[status.state]
    again = "" if status.next_try is None else f", next try in {status.next_try:.0f} s"
    return f":{colour}-badge[{icon} {status.state}{again}]" + (f" {status.why}" if status.why else "")


@st.fragment(run_every=2.0)
def list_sources(station: Station) -> None:
    """The sources, each with its state and what can be done with it."""
    st.subheader("Sources")
    for channel in station.channels:
        with st.container(border=True):
            st.markdown(f"**{channel.name}**  \n{describe(channel.status)}")
            _buttons(station, channel)


def _buttons(station: Station, channel: Channel) -> None:
    state = channel.status.state
    hold, rename, remove = st.columns(3)
    resting = state is WatchState.PAUSED or state.over
    words, icon = ("Resume", ":material/play_arrow:") if resting else ("Pause", ":material/pause:")
    if hold.button("", icon=icon, help=f"{words} {channel.name}", key=f"hold-{channel.id}", width="stretch"):
        (channel.resume if resting else channel.pause)()
        st.rerun(scope="fragment")
    with rename.popover("", icon=":material/edit:", help=f"Rename {channel.name}", width="stretch"):
        name = st.text_input("Name", channel.name, key=f"name-{channel.id}", max_chars=80)
        if st.button("Rename", key=f"rename-{channel.id}"):
            channel.name = name.strip() or channel.address
            st.rerun()
    if remove.button(
        "", icon=":material/delete:", help=f"Remove {channel.name}", key=f"remove-{channel.id}", width="stretch"
    ):
        station.remove(channel.id)
        st.rerun()


def ask_source(station: Station) -> None:
    """A form for one more source."""
    with st.expander("Add a source", expanded=not station.channels):
        kind = st.selectbox("Kind", list(_KINDS), key="new-kind")
        fixed, example = _KINDS[kind]
        with st.form("new-source", clear_on_submit=True, border=False):
            url = fixed or st.text_input(
                "Address", placeholder=example, help="rtsp://, http(s)://, webcam:, screen:, demo:"
            )
            name = st.text_input("Name", max_chars=80)
            if st.form_submit_button("Watch it", width="stretch"):
                try:
                    station.add(url, name=name, repeat=url == "demo:")
                except MonitorError as error:
                    st.error(str(error))
                else:
                    st.rerun()
