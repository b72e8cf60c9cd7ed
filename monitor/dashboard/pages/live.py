"""The live sources: picture, faces with their verdicts, timeline and flag button."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import streamlit as st

from monitor.dashboard.pages.current_user import ask_reporter, check_role, get_reporter, get_token, has_role, refresh
from monitor.dashboard.pages.face_card import face_card
from monitor.dashboard.pages.formatting import INDICATION, badge, escape, notice, remark, route
from monitor.dashboard.pages.live_charts import timeline
from monitor.dashboard.pages.sources import LISTED, WATCHED, ask_source, describe, list_sources
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
_INTERVAL: Final = 1.0  # seconds between two updates of the figures
_GRID: Final = 2  # columns
_HISTORY: Final = 100  # points of a face's curve


def show() -> None:
    """Shows the page."""
    monitor_service = service.current()
    with st.sidebar:
        ask_reporter()
        list_sources(monitor_service)
        ask_source(monitor_service)
    streams = monitor_service.streams
    if not streams:
        st.info("No source is being monitored. Add one on the left: a camera, an address, the screen, or the demo.")
        return
    names = {stream.id: stream.name for stream in streams}
    if st.session_state.get(WATCHED) not in names:
        st.session_state[WATCHED] = streams[0].id
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    chosen: str | None
    if len(streams) > LISTED:
        chosen = left.selectbox("Source", list(names), format_func=names.__getitem__, key=WATCHED)
    else:
        chosen = left.pills("Source", list(names), format_func=lambda one: escape(names[one]), key=WATCHED)
    is_grid = len(streams) > 1 and right.toggle("Show all sources", key="grid")
    if is_grid:
        _pictures(streams, chosen=chosen)
    stream = monitor_service.stream(chosen or "") or streams[0]
    if not is_grid:
        picture, verdict = st.columns([9, 4])
        with picture:
            _picture(stream, primary=True)
        with verdict:
            _faces(stream)
        if has_role(Role.REVIEWER):
            _flag_form()  # below the verdict, on a phone too
    _timeline(stream, stream.settings.verdict)
    _health(stream)
    _load_tables()
    st.caption(
        f"{INDICATION} The program examines visible faces only. It misses some fakes and accuses some genuine people: "
        "see the page Model."
    )


def _pictures(streams: Sequence[Stream], *, chosen: str | None) -> None:
    """Shows the pictures of all sources; of many, page by page."""
    pages = math.ceil(len(streams) / LISTED)
    page = 1 if pages == 1 else st.number_input(f"Page, 1 to {pages}", 1, pages, key="grid-page")
    columns = st.columns(_GRID)
    for number, stream in enumerate(streams[(page - 1) * LISTED : page * LISTED]):
        with columns[number % _GRID]:
            _picture(stream, primary=stream.id == chosen)


def _picture(stream: Stream, *, primary: bool) -> None:
    viewer(
        key=f"viewer-{stream.id}",
        url=route("live", stream.id),
        token=get_token(),
        title=stream.name,
        on_flag=partial(_flag, stream) if has_role(Role.REVIEWER) else None,
        primary=primary,
    )


def _load_tables() -> None:
    """Adds a hidden table, so that the browser loads the table scripts (1.4 MB) before a person opens Review."""
    st.html("<style>.st-key-tables { display: none; }</style>")
    with st.container(key="tables"):
        st.dataframe({"": [""]})


def _flag_form() -> None:
    """Shows the fields of the next flag; the flag button reads them."""
    opinion, category, note = st.columns([1, 1, 2])
    opinion.selectbox("Your opinion", [None, *Opinion], key="flag-opinion", format_func=lambda value: value or "none")
    category.selectbox("Category", _CATEGORIES, key="flag-category", format_func=lambda name: name or "none")
    note.text_input("Note for the next flag", key="flag-note", max_chars=2000)


def _flag(stream: Stream, moment: FlaggedView) -> None:
    """Saves the flagged moment; the toast appears after the database commit."""
    if not check_role(Role.REVIEWER):
        return
    mark = FlagRequest(
        connection=moment["connection"],
        media_time=moment["time"],
        frame_index=moment["frame"],
        track_id=moment["track"],
        reporter=get_reporter(),
        opinion=st.session_state.get("flag-opinion"),
        category=str(st.session_state.get("flag-category", "")),
        note=str(st.session_state.get("flag-note", "")),
    )
    try:
        flag = stream.flag_recorder.flag(mark)
    except MonitorError as error:
        st.toast(f"Not flagged: {escape(str(error))}", icon=":material/error:")
        return
    st.session_state["flag-note"] = ""
    st.toast(
        f"Flagged {escape(stream.name)} at {clock(flag.media_time)}: {flag.label.in_words}", icon=":material/flag:"
    )


@refresh(every=_INTERVAL)
def _faces(stream: Stream) -> None:
    """Shows a card for each face in the current frame."""
    status = stream.status
    st.markdown(describe(status))
    now = stream.broadcaster.now
    for note in () if status.info is None else status.info.notes:
        st.markdown(remark(note))
    if now is not None and not status.state.over:
        for hint in now["hints"]:
            st.markdown(notice(HintKind(hint["kind"]), hint["detail"], hint["since"]))
    faces: list[dict[str, Any]] = [] if now is None or status.state.over else now["faces"]
    if not faces and now is not None and not status.state.over:
        st.markdown(":gray[No face in the picture.]")
    if status.state.over:
        _summary(stream)
    history: dict[int, list[float]] = {}
    for point in stream.verdict_history.points:
        if point.probability is not None:
            history.setdefault(point.track_id, []).append(point.probability)
    for face in sorted(faces, key=lambda face: (-Label(face["label"]).severity, face["id"])):
        face_card(face, portrait=stream.broadcaster.face(face["id"]), history=history.get(face["id"], [])[-_HISTORY:])


def _summary(stream: Stream) -> None:
    """Lists the faces of an ended source with their worst verdicts."""
    worst = stream.verdict_history.worst
    if worst:
        st.markdown("The worst verdict on each face in the last minutes before the end:")
    for point in worst:
        st.markdown(
            f"**Face {point.track_id}** {badge(point.label)} P(fake) {percent_or_unknown(point.probability)} at "
            f"{clock(point.media_time)}"
        )


@refresh(every=_INTERVAL)
def _timeline(stream: Stream, thresholds: VerdictSettings) -> None:
    """Draws P(fake) of each face over the last two minutes, with the thresholds."""
    chart = timeline(stream.verdict_history.points, thresholds)
    if chart:
        st.html(chart)


@refresh(every=_INTERVAL)
def _health(stream: Stream) -> None:
    """Shows frame rate, latency and dropped frames."""
    status = stream.status
    stats = status.stats
    if stats is None:
        return
    own = stream.broadcaster.viewer_of(get_token())
    facts: dict[str, str | int] = {
        "Analysed, frames/s": f"{stats.fps:.1f}",
        "Shown here, frames/s": "-" if own is None else f"{own.fps:.1f}",
        "Latency, median": _milliseconds(stats.latency_p50),
        "Latency, 95th percentile": _milliseconds(stats.latency_p95),
        "Frames dropped": sum(stats.dropped.values()) + sum(stats.lost.values()),
        "Viewers": stream.broadcaster.viewers,
    }
    strip = st.container(horizontal=True, gap="medium")
    for name, value in facts.items():
        strip.metric(name, value, width="content")
    if own is not None and own.adaptation.index:
        longest = own.adaptation.level.longest
        st.caption(f"The picture is reduced to {longest} pixels: your connection or browser is too slow for more.")
    causes = {**stats.dropped, **stats.lost}
    load = service.current().load
    busy = [node.load for node in service.current().nodes if node.name == stream.node and node.load_level]
    for words in busy if stream.is_placed else [str(load.cadence)] if load.level else []:
        st.warning(words.capitalize() + ".", icon=":material/speed:")
    if causes:
        st.caption("Dropped: " + ", ".join(f"{count} {cause}" for cause, count in causes.items()))


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.0f} ms"
