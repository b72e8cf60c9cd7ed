"""Flags a span or a frame of an analysed file."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from monitor.dashboard.pages.current_user import check_role, get_reporter
from monitor.dashboard.pages.formatting import escape
from monitor.errors import MonitorError
from monitor.flags.from_analysis import AnalysedFile, flag_span, span_around
from monitor.server.auth.user import Role
from monitor.server.service import MonitorService
from monitor.types.formatting import clock, clock_span


def flag_form(
    monitor_service: MonitorService, analysed: AnalysedFile, span: dict[str, Any] | None, *, key: str
) -> Callable[[float], None]:
    """Shows the note of the next flag, and a button that flags the chosen span.

    Args:
        monitor_service: stores the flag.
        analysed: the file.
        span: as for :func:`~monitor.flags.from_analysis.flag_span`; None: no span is chosen.
        key: of these elements, unique on the page.

    Returns:
        A function that flags the frame at a media time.
    """
    note_key = f"span-note-{key}"

    def save(chosen: dict[str, Any]) -> None:
        if check_role(Role.REVIEWER):
            _save(monitor_service, analysed, chosen, note=str(st.session_state.get(note_key, "")))

    def flag_frame(moment: float) -> None:
        save(span_around(analysed, moment, monitor_service.settings.evidence))

    st.text_input("Note for the next flag", key=note_key, max_chars=2000)
    if span is None:
        st.caption("To flag a span, select it in the list or drag over it in the chart. The player flags one frame.")
    else:
        st.caption(f"Chosen: {_describe(span)}.")
        st.button("Flag this span", key=f"flag-span-{key}", on_click=save, args=(span,))
    return flag_frame


def _describe(span: dict[str, Any]) -> str:
    subject = "the whole picture" if span["track_id"] is None else f"face {span['track_id']}"
    return f"{subject}, {clock_span(span['start'], span['end'])}"


def _save(monitor_service: MonitorService, analysed: AnalysedFile, span: dict[str, Any], *, note: str) -> None:
    """Saves a flag; the toast appears when flag, pictures and clip are on the disk."""
    pressed_at = datetime.now(UTC)
    try:
        with st.spinner("Saving the pictures and the clip"):
            flag = flag_span(
                monitor_service.archive,
                analysed,
                span,
                reporter=get_reporter(),
                note=note,
                source=monitor_service.settings.source,
            )
    except MonitorError as error:
        st.toast(f"Not flagged: {escape(str(error))}", icon=":material/error:")
        return
    subject = f"{escape(analysed.name)} at {clock(flag.media_time)}"
    is_known = flag.created_at < pressed_at
    st.toast(f"{subject} is flagged already" if is_known else f"Flagged {subject}", icon=":material/flag:")
