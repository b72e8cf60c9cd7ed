"""Uploaded files: their verdicts, suspicious spans and faces."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from monitor.dashboard.gallery import GalleryItem, GalleryRow, gallery
from monitor.dashboard.pages.charts import limits, moments, verdicts
from monitor.dashboard.pages.credentials_block import show_credentials
from monitor.dashboard.pages.current_user import ask_reporter, has_role
from monitor.dashboard.pages.flag_form import flag_form
from monitor.dashboard.pages.formatting import (
    HEAT_MAP_LIMITS,
    address,
    by_classifier,
    list_as_text,
    notice,
    page_head,
    remark,
    text_table,
    verdict_place,
)
from monitor.dashboard.pages.upload_queue import CHOSEN, show_queue, titles_of
from monitor.dashboard.pages.verdict_banner import show_banner
from monitor.dashboard.player import player
from monitor.dashboard.upload import upload
from monitor.flags.from_analysis import AnalysedFile, choose_span
from monitor.media.sources.container import FALLBACK_FPS
from monitor.results.key_frames import key_frames
from monitor.results.printable import PRINTABLE
from monitor.results.result_folder import PLAIN_VIDEO_FILE, TIMELINE_FILE, VIDEO_FILE, result_files
from monitor.server import service
from monitor.server.auth.user import Role
from monitor.server.uploads import Upload, UploadState
from monitor.settings import VerdictSettings, rename_settings
from monitor.types import HintKind, Label
from monitor.types.formatting import clock, clock_span, percent_or_unknown, reasons_in_words, share

_LINKED = "analysis"  # name in the page's address: id of the shown upload
Span = tuple[float, float | None]  # seconds of media time; None: to the end


def show() -> None:
    """Shows the page."""
    monitor_service = service.current()
    with page_head("Analyse"):
        ask_reporter()
    if has_role(Role.REVIEWER):
        upload(
            key="upload",
            url=address("upload"),
            max_megabytes=monitor_service.settings.dashboard.max_upload_megabytes,
            on_done=lambda analysis_id: st.session_state.update({CHOSEN: analysis_id}),
        )
    if CHOSEN not in st.session_state and _LINKED in st.query_params:
        st.session_state[CHOSEN] = st.query_params[_LINKED]
    show_queue(monitor_service)
    analysis = monitor_service.analyses.get(st.session_state.get(CHOSEN) or "") or next(
        iter(monitor_service.analyses.all), None
    )
    if analysis is not None and analysis.state is UploadState.DONE:
        st.query_params[_LINKED] = analysis.id  # the page's address leads others to this result
        _result(monitor_service, analysis)


def _result(monitor_service: service.MonitorService, analysis: Upload) -> None:
    """Shows the verdict, the player, the timeline and the faces."""
    folder, report = monitor_service.analyses.results(analysis.id), monitor_service.analyses.report(analysis.id)
    file = monitor_service.analyses.upload(analysis.id)
    if folder is None or report is None or file is None:
        st.error("The results of this analysis no longer exist. Upload the file again.")
        return
    title = titles_of(monitor_service.analyses.all).get(analysis.id, analysis.name)
    with verdict_place():
        show_banner(title, report, folder=folder, analysis_id=analysis.id)
    _remarks(report)
    show_credentials(report)
    segments, timeline = report["segments"], pd.read_csv(folder / TIMELINE_FILE)
    picture, spans = st.columns([3, 2])
    with spans:
        span = _spans(segments, analysis)
        flag_place = st.container()
    analysed = AnalysedFile(file, analysis.name, folder, report)
    still = report["source"]["still"]
    thresholds = VerdictSettings.model_validate(rename_settings(report["settings"])["verdict"])
    brushed = None if still else _timeline(timeline, thresholds, segments, key=analysis.id)
    selected = None if span is None else (first_moment(timeline, span) or span["start"], span["end"])
    _key_frames(analysis, folder, timeline, still=still)
    latest = _play_new_selection(analysis.id, selected=selected, brushed=brushed)
    on_flag = None
    if has_role(Role.REVIEWER):
        if latest == "brushed" and brushed is not None:
            span = None if brushed[1] is None else choose_span(analysed, brushed[0], brushed[1])
        with flag_place:
            on_flag = flag_form(monitor_service, analysed, span, key=analysis.id)
    st.session_state.setdefault(f"player-state-{analysis.id}", (_linked_moment(report, timeline), None, 0))
    with picture:
        _player(analysis, folder, fps=None if still else report["source"]["fps"] or FALLBACK_FPS, on_flag=on_flag)
    _faces(report, timeline)
    _downloads(analysis, folder)


def _remarks(report: dict[str, Any]) -> None:
    """Shows the hints on the stream and the notes on how it was read."""
    for hint in report.get("hints", ()):  # version 1.0 had none
        until = report["source"]["duration"] if hint["end"] is None else hint["end"]
        st.markdown(notice(HintKind(hint["kind"]), hint["detail"], hint["start"], until))
    for note in report["source"].get("notes", ()):  # earlier reports had none
        st.markdown(remark(note))


def _play_new_selection(key: str, **selections: Span | None) -> str:
    """Plays a selected span if it differs from the last run's selection; of several, the last one wins.

    Returns:
        The name of the latest selection that still exists, or of the first one.
    """
    before = st.session_state.get(f"selections-{key}", {})
    latest: str = st.session_state.get(f"latest-selection-{key}", "")
    for name, span in selections.items():
        if span is not None and span != before.get(name):
            _play(key, *span)
            latest = name
    if selections.get(latest) is None:
        latest = next((name for name, span in selections.items() if span is not None), "")
    st.session_state[f"selections-{key}"], st.session_state[f"latest-selection-{key}"] = selections, latest
    return latest


def _play(key: str, start: float, end: float | None) -> None:
    """Makes the player seek to a span; a later call in the same run replaces it."""
    *_, request = _player_state(key)
    st.session_state[f"player-state-{key}"] = (start, end, request + 1)


def _player_state(key: str) -> tuple[float, float | None, int]:
    """The player's start, its end and the number of requests so far."""
    state: tuple[float, float | None, int] = st.session_state.get(f"player-state-{key}", (0.0, None, 0))
    return state


def _spans(segments: list[dict[str, Any]], analysis: Upload) -> dict[str, Any] | None:
    """Lists the suspicious spans; returns the selected one."""
    if not segments:
        st.markdown("No suspicious spans.")
        return None
    st.markdown("Suspicious spans: select one to play it.")
    rows = [
        {
            "face": span["track_id"],
            "from": clock(span["start"]),
            "to": clock(span["end"]),
            "label": Label(span["label"]).in_words,
            "top score": percent_or_unknown(span["peak"]),
        }
        for span in segments
    ]
    event = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode="single-row",
        column_config={"top score": st.column_config.TextColumn(help="The highest score of one picture alone.")},
        key=f"spans-{analysis.id}",
    )
    list_as_text(rows, name="Suspicious spans", key=f"spans-as-text-{analysis.id}")
    rows_selected = event["selection"]["rows"]
    return segments[rows_selected[0]] if rows_selected else None


def _timeline(
    timeline: pd.DataFrame, thresholds: VerdictSettings, segments: list[dict[str, Any]], *, key: str
) -> Span | None:
    """Draws P(fake) of each face over the whole file; returns the brushed span, or an open span from the click."""
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
    st.caption("Click to jump to a moment, or drag over a span to play only that span, or to flag it.")
    edges = event["selection"].get("span", {}).get("media_time")
    if edges:
        return float(edges[0]), float(edges[1])
    points = event["selection"].get("moment", [])
    return (float(points[0]["media_time"]), None) if points else None


def _key_frames(analysis: Upload, folder: Path, timeline: pd.DataFrame, *, still: bool) -> None:
    """Shows each face's moments with the strongest evidence for fake; a click plays one."""
    moments = key_frames(folder)
    if not moments:
        return
    has_heat_map = st.session_state.get(_heat_key(analysis), False)
    samples = timeline.set_index(["frame_index", "track_id"])["sample_probability"]
    rows: dict[int, GalleryRow] = {}
    for moment in moments:
        score = percent_or_unknown(float(samples.get((moment.frame_index, moment.track_id), float("nan"))))
        at = "" if still else f"{clock(moment.media_time)}, "
        item = GalleryItem(
            url=address("analyses", analysis.id, moment.file if has_heat_map else moment.clear_file),
            caption=f"{at}{score} alone",
            description=f"Face {moment.track_id}, {at}score of this picture alone {score}",
        )
        rows.setdefault(moment.track_id, GalleryRow(title=f"Face {moment.track_id}", items=[]))["items"].append(item)
    moments_by_face = {track: [moment for moment in moments if moment.track_id == track] for track in rows}

    def play_moment(row: int, item: int) -> None:
        _play(analysis.id, list(moments_by_face.values())[row][item].media_time, None)

    st.subheader(
        "Pictures with the highest scores",
        help="With the heat-map, red is evidence for fake and blue for real. Below each picture is its score alone. "
        "P(fake) of a face joins all of its pictures, so it is often lower than the highest of them.",
    )
    gallery(list(rows.values()), key=f"gallery-{analysis.id}", on_pick=play_moment)


def _player(analysis: Upload, folder: Path, *, fps: float | None, on_flag: Callable[[float], None] | None) -> None:
    """Shows the annotated video at the requested moment."""
    files = [name for name in (PLAIN_VIDEO_FILE, VIDEO_FILE) if (folder / name).is_file()]
    if not files:
        return
    start, end, request = _player_state(analysis.id)
    has_heat_map = len(files) == 1 or st.session_state.get(_heat_key(analysis), False)
    url = address("analyses", analysis.id, files[-1] if has_heat_map else files[0])
    player(
        key=f"player-{analysis.id}",
        url=url,
        title=analysis.name,
        fps=fps,
        start=start,
        end=end,
        request=request,
        on_flag=on_flag,
    )
    if len(files) > 1:
        st.toggle("Heat-map", key=_heat_key(analysis), help=HEAT_MAP_LIMITS)
    if has_heat_map:
        st.caption(HEAT_MAP_LIMITS)
    st.caption("Every box and label is drawn on its own frame of the video.")


def _heat_key(analysis: Upload) -> str:
    """The key of the switch in the tab's session."""
    return f"heat-{analysis.id}"


def first_moment(timeline: pd.DataFrame, span: dict[str, Any]) -> float | None:
    """The media time at which a face first has the label of its span; None if the timeline does not know it."""
    rows = timeline[(timeline["track_id"] == span["track_id"]) & (timeline["label"] == span["label"])]
    times = rows["media_time"][rows["media_time"].between(span["start"], span["end"])]
    return None if times.empty else float(times.min())


def opening_moment(report: dict[str, Any], timeline: pd.DataFrame) -> float:
    """The media time of the first picture to show: where the verdict is first reached, or a box is drawn."""
    verdict = report["verdict"]
    decided = timeline[(timeline["track_id"] == verdict["track_id"]) & (timeline["label"] == verdict["label"])]
    boxed = timeline[timeline["box_x1"].notna()]
    return next((float(rows["media_time"].min()) for rows in (decided, boxed) if not rows.empty), 0.0)


def _linked_moment(report: dict[str, Any], timeline: pd.DataFrame) -> float:
    """The media time in the page's address (``at=12.5``), or else the opening moment."""
    try:
        at = float(st.query_params["at"])
    except (KeyError, ValueError):
        return opening_moment(report, timeline)
    return at if 0 <= at < float("inf") else opening_moment(report, timeline)


def _faces(report: dict[str, Any], timeline: pd.DataFrame) -> None:
    """Lists the faces, each with its worst verdict, and the samples of its whole time in the file."""
    sampled = timeline["sample_probability"].notna().groupby(timeline["track_id"]).agg(["sum", "mean"])
    rows = [
        {
            "face": face["track_id"],
            "label": Label(face["label"]).in_words,
            "P(fake)": percent_or_unknown(face["probability"]),
            "samples": int(sampled["sum"].get(face["track_id"], 0)),
            "usable samples": share(float(sampled["mean"].get(face["track_id"], 0.0))),
            "visible": clock_span(face["first_seen"], face["last_seen"]),
            "reasons": reasons_in_words(face["reasons"]),
        }
        for face in report["tracks"]
    ]
    for row, face in zip(rows, report["tracks"], strict=True):
        if face.get("classifiers"):  # of a committee
            row["each classifier alone"] = by_classifier(face["classifiers"])
    st.subheader("Faces")
    text_table(rows, name="Faces")


def _downloads(analysis: Upload, folder: Path) -> None:
    """Shows a download button for each result file."""
    files = [name for name in (*result_files(), PLAIN_VIDEO_FILE) if (folder / name).is_file()]
    row = st.container(horizontal=True)
    row.link_button("Page to print or send", address("analyses", analysis.id, PRINTABLE))
    for name in files:
        row.link_button(f"Download {name}", address("analyses", analysis.id, name, saved="1"))
