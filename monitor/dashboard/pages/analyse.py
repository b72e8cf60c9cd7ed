"""Uploaded files: what is said of them, and where."""

from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from monitor.dashboard.gallery import GalleryItem, GalleryRow, gallery
from monitor.dashboard.pages.charts import limits, moments, verdicts
from monitor.dashboard.pages.current_user import ask_reporter, audit, may, permitted, refreshed, reporter
from monitor.dashboard.pages.formatting import INDICATION, address, badge, notice
from monitor.dashboard.player import player
from monitor.dashboard.upload import upload
from monitor.errors import MonitorError
from monitor.flags.from_analysis import AnalysedFile, flag_span
from monitor.media.sources.container import FALLBACK_FPS
from monitor.results.key_frames import key_frames
from monitor.results.result_folder import TIMELINE_FILE, VIDEO_FILE, result_files
from monitor.server import service
from monitor.server.auth.user import Role
from monitor.server.uploads import Upload, UploadState
from monitor.settings import VerdictSettings, rename_settings
from monitor.types import HintKind, Label
from monitor.types.formatting import clock, clock_span, percent_or_unknown, reasons_in_words

Span = tuple[float, float | None]  # seconds of media time; None: to the end

_CHOSEN = "analysis"
_BANNERS = {
    Label.LIKELY_FAKE: st.error,
    Label.SUSPICIOUS: st.warning,
    Label.LIKELY_REAL: st.success,
    Label.NOT_ENOUGH_EVIDENCE: st.info,
}
_WHAT_TO_DO = {
    Label.LIKELY_FAKE: "Look at the spans yourself, and at where the footage comes from. Do not act on this alone.",
    Label.SUSPICIOUS: "Something leans to manipulation. Look at the spans below, and ask for the original.",
    Label.LIKELY_REAL: "Nothing spoke for manipulation. That is no proof that it is genuine.",
    Label.NOT_ENOUGH_EVIDENCE: "The program cannot tell. Better footage may help: larger, sharper faces, more of it.",
}


def show() -> None:
    """The page."""
    ask_reporter()
    here = service.current()
    st.header("Analyse")
    if may(Role.REVIEWER):
        upload(
            key="upload",
            url=address("upload"),
            most_megabytes=here.settings.dashboard.max_upload_megabytes,
            on_done=lambda analysis_id: st.session_state.update({_CHOSEN: analysis_id}),
        )
    _queue(here)
    analysis = here.analyses.get(st.session_state.get(_CHOSEN) or "") or next(iter(here.analyses.all), None)
    if analysis is not None and analysis.state is UploadState.DONE:
        _result(here, analysis)


@refreshed(every=1.0)
def _queue(here: service.MonitorService) -> None:
    """All uploads, each with what can be done."""
    analyses = here.analyses.all
    states = {analysis.id: analysis.state for analysis in analyses}
    before = st.session_state.get("analysis-states")
    st.session_state["analysis-states"] = states
    if before is not None and before != states:
        st.rerun()  # the result below belongs to the new state
    for analysis in analyses:
        row = st.container(horizontal=True, vertical_alignment="center")
        row.markdown(f"**{analysis.name}** {analysis.state} {analysis.why}", width="stretch")
        if analysis.state is UploadState.RUNNING:
            row.progress(analysis.progress or 0.0, width=200)
        if analysis.state is UploadState.DONE and row.button("Show", key=f"show-{analysis.id}"):
            st.session_state[_CHOSEN] = analysis.id
            st.rerun()
        words = "Remove" if analysis.state.over else "Cancel"
        locked = not may(Role.REVIEWER)
        pressed = row.button(words, key=f"{words}-{analysis.id}", disabled=locked)
        if pressed and permitted(Role.REVIEWER):
            audit("upload removed" if analysis.state.over else "analysis cancelled", analysis.name)
            (here.analyses.remove if analysis.state.over else here.analyses.cancel)(analysis.id)
            st.rerun()


def _result(here: service.MonitorService, analysis: Upload) -> None:
    """The verdict in plain words, the player, the timeline, and each face."""
    folder, report = here.analyses.results(analysis.id), here.analyses.report(analysis.id)
    file = here.analyses.upload(analysis.id)
    if folder is None or report is None or file is None:
        st.error("its results are gone")
        return
    _banner(analysis, report["verdict"])
    for hint in report.get("hints", ()):  # version 1.0 had none
        until = report["source"]["duration"] if hint["end"] is None else hint["end"]
        st.markdown(notice(HintKind(hint["kind"]), hint["detail"], hint["start"], until))
    segments, timeline = report["segments"], pd.read_csv(folder / TIMELINE_FILE)
    picture, spans = st.columns([3, 2])
    with spans:
        span = _spans(segments, analysis)
        if span is not None and may(Role.REVIEWER):
            _flag(here, analysis, AnalysedFile(file, analysis.name, folder, report), span)
    still = report["source"]["still"]
    thresholds = VerdictSettings.model_validate(rename_settings(report["settings"])["verdict"])
    brushed = None if still else _timeline(timeline, thresholds, segments, key=analysis.id)
    ticked = None if span is None else (span["start"], span["end"])
    _key_frames(analysis, folder, timeline, still=still)
    _ask(analysis.id, ticked=ticked, brushed=brushed)
    with picture:
        _player(analysis, folder, fps=None if still else report["source"]["fps"] or FALLBACK_FPS)
    _faces(report)
    _downloads(analysis, folder)


def _banner(analysis: Upload, said: dict[str, Any]) -> None:
    """What it comes to, what that means, and what to do."""
    label = Label(said["label"])
    st.subheader(f"{analysis.name} {badge(label)}")
    _BANNERS[label](f"{said['in_words']} {_WHAT_TO_DO[label]} *{INDICATION}*")


def _ask(key: str, **asked: Span | None) -> None:
    """Let the player show what is asked for, if that is another span than in the run before."""
    before = st.session_state.get(f"asked-{key}", {})
    for name, span in asked.items():
        if span is not None and span != before.get(name):
            _show(key, *span)
    st.session_state[f"asked-{key}"] = asked


def _show(key: str, start: float, end: float | None) -> None:
    """Let the player go to a moment; whoever asks last is heard."""
    *_, asked = _shown(key)
    st.session_state[f"shown-{key}"] = (start, end, asked + 1)


def _shown(key: str) -> tuple[float, float | None, int]:
    """What the player shows, and how often somebody has asked so far."""
    found: tuple[float, float | None, int] = st.session_state.get(f"shown-{key}", (0.0, None, 0))
    return found


def _spans(segments: list[dict[str, Any]], analysis: Upload) -> dict[str, Any] | None:
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
            "peak": percent_or_unknown(span["peak"]),
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


def _flag(here: service.MonitorService, analysis: Upload, analysed: AnalysedFile, span: dict[str, Any]) -> None:
    """Keep the ticked span as a flag."""
    note = st.text_input("Note", key=f"span-note-{analysis.id}", max_chars=2000)
    pressed = st.button("Flag this span", icon=":material/flag:", key=f"flag-span-{analysis.id}")
    if pressed and permitted(Role.REVIEWER):
        try:
            with st.spinner("keeping its pictures and its clip"):
                flag = flag_span(
                    here.archive, analysed, span, reporter=reporter(), note=note, source=here.settings.source
                )
        except MonitorError as error:
            st.error(str(error))
        else:
            st.toast(f"Flagged {analysis.name} at {clock(flag.media_time)}", icon=":material/flag:")


def _timeline(
    timeline: pd.DataFrame, thresholds: VerdictSettings, segments: list[dict[str, Any]], *, key: str
) -> Span | None:
    """P(fake) of each face over the whole file; the span that is brushed, or from where somebody clicked."""
    frame = timeline[timeline["probability"].notna()].copy()
    if frame.empty:
        return None
    frame["face"] = "face " + frame["track_id"].astype(str)
    brush = alt.selection_interval(encodings=["x"], name="span")
    click = alt.selection_point(fields=["media_time"], on="click", nearest=True, name="moment")
    layers: list[alt.Chart] = []
    if segments:
        spans = pd.DataFrame(segments)[["start", "end"]]
        layers.append(alt.Chart(spans).mark_rect(opacity=0.18, color="#f06014").encode(x="start:Q", x2="end:Q"))
    layers += [*limits(thresholds), verdicts(frame).add_params(brush), moments(frame).add_params(click)]
    event = st.altair_chart(
        alt.layer(*layers).properties(height=200),
        on_select="rerun",
        selection_mode=["span", "moment"],
        key=f"line-{key}",
    )
    st.caption("Click to go there, or draw over a span to see only that.")
    found = event["selection"].get("span", {}).get("media_time")
    if found:
        return float(found[0]), float(found[1])
    clicked = event["selection"].get("moment", [])
    return (float(clicked[0]["media_time"]), None) if clicked else None


def _key_frames(analysis: Upload, folder: Path, timeline: pd.DataFrame, *, still: bool) -> None:
    """The moments that spoke most for manipulation, face by face; a click shows one in the player."""
    moments = key_frames(folder)
    if not moments:
        return
    samples = timeline.set_index(["frame_index", "track_id"])["sample_probability"]
    rows: dict[int, GalleryRow] = {}
    for moment in moments:
        said = percent_or_unknown(float(samples.get((moment.frame_index, moment.track_id), float("nan"))))
        at = "" if still else f"{clock(moment.media_time)}, "
        item = GalleryItem(
            url=address("analyses", analysis.id, moment.file),
            words=f"{at}P(fake) {said}",
            about=f"Face {moment.track_id}, {at}P(fake) {said}",
        )
        rows.setdefault(moment.track_id, GalleryRow(title=f"Face {moment.track_id}", items=[]))["items"].append(item)
    of_face = {track: [one for one in moments if one.track_id == track] for track in rows}

    def picked(row: int, item: int) -> None:
        _show(analysis.id, list(of_face.values())[row][item].media_time, None)

    st.subheader("What spoke most for manipulation", help="Red speaks for fake, blue for real, each sample by itself.")
    gallery(list(rows.values()), key=f"gallery-{analysis.id}", on_pick=picked)


def _player(analysis: Upload, folder: Path, *, fps: float | None) -> None:
    """The annotated video, where somebody wants to see it."""
    if not (folder / VIDEO_FILE).is_file():
        return
    start, end, asked = _shown(analysis.id)
    url = address("analyses", analysis.id, VIDEO_FILE)
    player(key=f"player-{analysis.id}", url=url, title=analysis.name, fps=fps, start=start, end=end, asked=asked)
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
            "seen": clock_span(face["first_seen"], face["last_seen"]),
            "why": reasons_in_words(face["reasons"]),
        }
        for face in report["tracks"]
    ]
    st.subheader("Faces")
    columns = {
        name: st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent")
        for name in ("P(fake)", "usable")
    }
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", column_config=columns)


def _downloads(analysis: Upload, folder: Path) -> None:
    """The files as they are kept."""
    there = [name for name in result_files() if (folder / name).is_file()]
    row = st.container(horizontal=True)
    for name in there:
        row.link_button(f"Download {name}", address("analyses", analysis.id, name, saved="1"))
