"""What is watched now: the picture, each face and why, and the flag."""

import base64
from functools import partial
from typing import Any, Final

import altair as alt
import pandas as pd
import streamlit as st

from monitor.dashboard.pages.charts import limits, sparkline, verdicts
from monitor.dashboard.pages.current_user import ask_reporter, may, permitted, refreshed, reporter, token
from monitor.dashboard.pages.formatting import INDICATION, badge, notice, route
from monitor.dashboard.pages.sources import WATCHED, ask_source, describe, list_sources
from monitor.dashboard.viewer import FlaggedView, viewer
from monitor.errors import MonitorError
from monitor.flags.recorder import FlagRequest
from monitor.server import service
from monitor.server.auth.user import Role
from monitor.server.stream import Stream
from monitor.settings import VerdictSettings
from monitor.types import HintKind, Label, Opinion
from monitor.types.formatting import clock, percent_or_unknown

_CATEGORIES: Final = ("", "face swap", "lip sync", "generated person", "false alarm", "other")
_EVERY: Final = 1.0  # seconds between two looks at the figures
_GRID: Final = 2  # columns
_PORTRAIT: Final = "display:block;width:56px;border-radius:6px"  # CSS


def show() -> None:
    """The page."""
    ask_reporter()
    here = service.current()
    with st.sidebar:
        list_sources(here)
        ask_source(here)
    channels = here.channels
    if not channels:
        st.info("Nothing is watched. Add a source on the left: a camera, an address, the screen, or the demo.")
        return
    names = {channel.id: channel.name for channel in channels}
    if st.session_state.get(WATCHED) not in names:
        st.session_state[WATCHED] = channels[0].id
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    wanted = left.pills("Source", list(names), format_func=names.__getitem__, key=WATCHED)
    together = len(channels) > 1 and right.toggle("All at once", key="grid")
    if together:
        columns = st.columns(_GRID)
        for number, channel in enumerate(channels):
            with columns[number % _GRID]:
                _picture(channel, primary=channel.id == wanted)
    channel = here.channel(wanted or "") or channels[0]
    if not together:
        picture, said = st.columns([9, 4])
        with picture:
            _picture(channel, primary=True)
            if may(Role.REVIEWER):
                _what_to_say()
        with said:
            _faces(channel)
    _timeline(channel, channel.settings.verdict)
    _health(channel)
    _load_tables()
    st.caption(f"{INDICATION} It judges visible faces only; it misses fakes and accuses genuine people. See Model.")


def _picture(channel: Stream, *, primary: bool) -> None:
    viewer(
        key=f"viewer-{channel.id}",
        url=route("live", channel.id),
        token=token(),
        title=channel.name,
        on_flag=partial(_flag, channel) if may(Role.REVIEWER) else None,
        primary=primary,
    )


def _load_tables() -> None:
    """A table that nobody sees, so that its scripts (1.4 MB, once a browser) are there when Review is opened."""
    st.html("<style>.st-key-tables { display: none; }</style>")
    with st.container(key="tables"):
        st.dataframe({"": [""]})


def _what_to_say() -> None:
    """What goes with the next flag; read when it is pressed."""
    opinion, category, note = st.columns([1, 1, 2])
    opinion.selectbox("To you it is", [None, *Opinion], key="flag-opinion", format_func=lambda said: said or "not said")
    category.selectbox("Category", _CATEGORIES, key="flag-category", format_func=lambda name: name or "none")
    note.text_input("Note to the next flag", key="flag-note", max_chars=2000)


def _flag(channel: Stream, moment: FlaggedView) -> None:
    """Keep what the person saw; the toast comes after it is committed."""
    if not permitted(Role.REVIEWER):
        return
    mark = FlagRequest(
        connection=moment["connection"],
        media_time=moment["time"],
        frame_index=moment["frame"],
        track_id=moment["track"],
        reporter=reporter(),
        opinion=st.session_state.get("flag-opinion"),
        category=str(st.session_state.get("flag-category", "")),
        note=str(st.session_state.get("flag-note", "")),
    )
    try:
        flag = channel.flagger.flag(mark)
    except MonitorError as error:
        st.toast(f"Not flagged: {error}", icon=":material/error:")
        return
    st.session_state["flag-note"] = ""
    st.toast(f"Flagged {channel.name} at {clock(flag.media_time)}: {flag.label.in_words}", icon=":material/flag:")


@refreshed(every=_EVERY)
def _faces(channel: Stream) -> None:
    """A card for each face that is seen now."""
    status = channel.status
    st.markdown(describe(status))
    now = channel.hub.now
    if now is not None and not status.state.over:
        for hint in now["hints"]:
            st.markdown(notice(HintKind(hint["kind"]), hint["detail"], hint["since"]))
    faces: list[dict[str, Any]] = [] if now is None or status.state.over else now["faces"]
    if not faces:
        st.markdown(":gray[No face in the picture.]")
    history: dict[int, list[float]] = {}
    for point in channel.rolling.points:
        if point.probability is not None:
            history.setdefault(point.track_id, []).append(point.probability)
    for face in sorted(faces, key=lambda face: (-Label(face["label"]).severity, face["id"])):
        with st.container(border=True):
            head = st.container(horizontal=True, vertical_alignment="center", gap="xsmall")
            portrait = channel.hub.face(face["id"])
            if portrait is not None:
                data = base64.b64encode(portrait).decode("ascii")
                image = f'<img src="data:image/jpeg;base64,{data}" alt="Face {face["id"]}" style="{_PORTRAIT}">'
                head.html(image, width="content")
            head.markdown(f"**Face {face['id']}**  \n{badge(Label(face['label']))}", width="content")
            st.markdown(
                f"P(fake) **{percent_or_unknown(face['probability'])}**, {face['samples']} samples that amount to "
                f"{face['effective']:.1f} independent witnesses"
            )
            if face["reasons"]:
                st.markdown(f"Why: {', '.join(face['reasons'])}")
            if len(line := history.get(face["id"], [])[-100:]) > 1:
                st.altair_chart(sparkline(line), key=f"sparkline-{channel.id}-{face['id']}")


@refreshed(every=_EVERY)
def _timeline(channel: Stream, thresholds: VerdictSettings) -> None:
    """P(fake) of each face over the last two minutes, with the thresholds."""
    points = [point for point in channel.rolling.points if point.probability is not None]
    if not points:
        return
    frame = pd.DataFrame(
        {
            "media_time": [point.media_time for point in points],
            "probability": [point.probability for point in points],
            "face": [f"face {point.track_id}" for point in points],
            "label": [point.label.in_words for point in points],
        }
    )
    chart = alt.layer(*limits(thresholds), verdicts(frame, zoomed=True)).properties(height=180)
    st.altair_chart(chart, key=f"timeline-{channel.id}")


@refreshed(every=_EVERY)
def _health(channel: Stream) -> None:
    """How fast it is, how late, and what was lost."""
    status = channel.status
    stats = status.stats
    if stats is None:
        return
    own = channel.hub.viewer_of(token())
    facts: dict[str, str | int] = {
        "Analysed, frames/s": f"{stats.fps:.1f}",
        "Shown here, frames/s": "-" if own is None else f"{own.fps:.1f}",
        "Latency, median": _milliseconds(stats.latency_p50),
        "Latency, 95 %": _milliseconds(stats.latency_p95),
        "Frames dropped": sum(stats.dropped.values()) + sum(stats.lost.values()),
        "Viewers": channel.hub.viewers,
    }
    strip = st.container(horizontal=True, gap="medium")
    for name, value in facts.items():
        strip.metric(name, value, width="content")
    if own is not None and own.adaptation.index:
        longest = own.adaptation.level.longest
        st.caption(f"Sent to you at {longest} pixels: your line or this browser does not keep up with more.")
    causes = {**stats.dropped, **stats.lost}
    load = service.current().load
    if load.level:
        st.warning(str(load.cadence).capitalize() + ".", icon=":material/speed:")
    if causes:
        st.caption("Dropped: " + ", ".join(f"{count} {cause}" for cause, count in causes.items()))


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.0f} ms"
