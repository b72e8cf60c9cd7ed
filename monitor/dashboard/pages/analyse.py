"""Uploaded files: what is said of them, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd
import streamlit as st

from monitor.dashboard import station
from monitor.dashboard.analyses import AnalysisState
from monitor.dashboard.pages.charts import limits, verdicts
from monitor.dashboard.pages.words import INDICATION, absolute, address, ask_reporter, badge, probability, reporter
from monitor.dashboard.upload import upload
from monitor.errors import MonitorError
from monitor.evidence.afterwards import Analysed, flag_span
from monitor.evidence.folder import REPORT_FILE, TIMELINE_FILE, VIDEO_FILE
from monitor.overlay import clock
from monitor.types import Label

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.dashboard.analyses import Analysis
    from monitor.settings import VerdictSettings

_CHOSEN = "analysis"
_WHAT_TO_DO = {
    Label.LIKELY_FAKE: "Look at the spans yourself, and at where the footage comes from. Do not act on this alone.",
    Label.SUSPICIOUS: "Something leans to manipulation. Look at the spans below, and ask for the original.",
    Label.LIKELY_REAL: "Nothing spoke for manipulation. That is no proof that it is genuine.",
    Label.NOT_ENOUGH_EVIDENCE: "The program cannot tell. Better footage may help: larger, sharper faces, more of it.",
}


def show() -> None:
    """The page."""
    ask_reporter()
    here = station.current()
    st.header("Analyse")
    upload(
        key="upload",
        url=address("upload"),
        most_megabytes=here.settings.dashboard.max_upload_megabytes,
        on_done=lambda analysis_id: st.session_state.update({_CHOSEN: analysis_id}),
    )
    _queue(here)
    analysis = here.analyses.get(st.session_state.get(_CHOSEN) or "") or next(iter(here.analyses.all), None)
    if analysis is not None and analysis.state is AnalysisState.DONE:
        _result(here, analysis)


@st.fragment(run_every=1.0)
def _queue(here: station.Station) -> None:
    """All uploads, each with what can be done."""
    analyses = here.analyses.all
    states = {analysis.id: analysis.state for analysis in analyses}
    before = st.session_state.get("analysis-states")
    st.session_state["analysis-states"] = states
    if before is not None and before != states:
        st.rerun()  # the result below belongs to the new state
    for analysis in analyses:
        name, state, look, drop = st.columns([4, 4, 1, 1], vertical_alignment="center")
        name.markdown(f"**{analysis.name}**")
        if analysis.state is AnalysisState.RUNNING:
            state.progress(analysis.progress or 0.0, text="analysing")
        else:
            state.markdown(f"{analysis.state} {analysis.why}")
        if analysis.state is AnalysisState.DONE and look.button("Show", key=f"show-{analysis.id}", width="stretch"):
            st.session_state[_CHOSEN] = analysis.id
            st.rerun()
        words = "Remove" if analysis.state.over else "Cancel"
        if drop.button(words, key=f"drop-{analysis.id}", width="stretch"):
            (here.analyses.remove if analysis.state.over else here.analyses.cancel)(analysis.id)
            st.rerun()


def _result(here: station.Station, analysis: Analysis) -> None:
    """The verdict in plain words, the player, the timeline, and each face."""
    folder, report = here.analyses.results(analysis.id), here.analyses.report(analysis.id)
    file = here.analyses.upload(analysis.id)
    if folder is None or report is None or file is None:
        st.error("its results are gone")
        return
    said = report["verdict"]
    label = Label(said["label"])
    st.subheader(f"{analysis.name} {badge(label)}")
    st.markdown(f"{said['in_words']} {_WHAT_TO_DO[label]} *{INDICATION}*")
    segments = report["segments"]
    picture, spans = st.columns([3, 2])
    with spans:
        span = _spans(segments, analysis)
        if span is not None:
            _flag(here, analysis, Analysed(file, analysis.name, folder, report), span)
    brushed = _timeline(folder, here.settings.verdict, segments, key=analysis.id)
    start, end = brushed or ((span["start"], span["end"]) if span else (0.0, None))
    with picture:
        _player(analysis, folder, start, end)
    _faces(report)
    _downloads(analysis, folder)


def _spans(segments: list[dict[str, Any]], analysis: Analysis) -> dict[str, Any] | None:
    """The suspicious spans; the one that is ticked."""
    if not segments:
        st.markdown("No suspicious span.")
        return None
    st.markdown("Suspicious spans: tick one to see it.")
    rows = [
        {
            "face": span["track_id"],
            "from": clock(span["start"]),
            "to": clock(span["end"]),
            "label": Label(span["label"]).in_words,
            "peak": probability(span["peak"]),
        }
        for span in segments
    ]
    event = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode="single-row",
        key=f"spans-{analysis.id}",
    )
    picked = event["selection"]["rows"]
    return segments[picked[0]] if picked else None


def _flag(here: station.Station, analysis: Analysis, analysed: Analysed, span: dict[str, Any]) -> None:
    """Keep the ticked span as a flag."""
    note = st.text_input("Note", key=f"span-note-{analysis.id}", max_chars=2000)
    if st.button("Flag this span", icon=":material/flag:", key=f"flag-span-{analysis.id}"):
        try:
            with st.spinner("keeping its pictures and its clip"):
                flag = flag_span(here.archive, analysed, span, reporter=reporter(), note=note)
        except MonitorError as error:
            st.error(str(error))
        else:
            st.toast(f"Flagged {analysis.name} at {clock(flag.media_time)}", icon=":material/flag:")


def _timeline(
    folder: Path, thresholds: VerdictSettings, segments: list[dict[str, Any]], *, key: str
) -> tuple[float, float] | None:
    """P(fake) of each face over the whole file; the span that is brushed."""
    frame = pd.read_csv(folder / TIMELINE_FILE)
    frame = frame[frame["probability"].notna()]
    if frame.empty:
        return None
    frame["face"] = "face " + frame["track_id"].astype(str)
    brush = alt.selection_interval(encodings=["x"], name="span")
    layers: list[alt.Chart] = []
    if segments:
        spans = pd.DataFrame(segments)[["start", "end"]]
        layers.append(alt.Chart(spans).mark_rect(opacity=0.18, color="#f06014").encode(x="start:Q", x2="end:Q"))
    layers += [*limits(thresholds), verdicts(frame).add_params(brush)]
    event = st.altair_chart(
        alt.layer(*layers).properties(height=200), on_select="rerun", selection_mode="span", key=f"line-{key}"
    )
    found = event["selection"].get("span", {}).get("media_time")
    return (float(found[0]), float(found[1])) if found else None


def _player(analysis: Analysis, folder: Path, start: float, end: float | None) -> None:
    """The annotated video, from where somebody wants to see it."""
    if not (folder / VIDEO_FILE).is_file():
        return
    st.video(absolute("analyses", analysis.id, VIDEO_FILE), start_time=start, end_time=end)
    st.caption("Boxes, labels and heat-map are drawn on the frame that they belong to.")


def _faces(report: dict[str, Any]) -> None:
    """What is said of each face over its whole time."""
    rows = [
        {
            "face": face["track_id"],
            "label": Label(face["label"]).in_words,
            "P(fake)": face["probability"],
            "samples": face["samples"],
            "usable": face["usable_share"],
            "seen": f"{clock(face['first_seen'])} to {clock(face['last_seen'])}",
            "why": ", ".join(reason.replace("_", " ").lower() for reason in face["reasons"]),
        }
        for face in report["tracks"]
    ]
    st.subheader("Faces")
    columns = {
        name: st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent")
        for name in ("P(fake)", "usable")
    }
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", column_config=columns)


def _downloads(analysis: Analysis, folder: Path) -> None:
    """The files as they are kept."""
    there = [name for name in (REPORT_FILE, TIMELINE_FILE, VIDEO_FILE) if (folder / name).is_file()]
    for cell, name in zip(st.columns(len(there)), there, strict=True):
        cell.link_button(f"Download {name}", address("analyses", analysis.id, name), width="stretch")
