"""The list of flags on the review page: a click on a row shows its flag, ticks select several flags."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import streamlit as st

from monitor.dashboard.pages.current_user import audit, check_role, explain_denial, get_reporter
from monitor.dashboard.pages.formatting import address, list_as_text, source_name
from monitor.server.auth.user import Role
from monitor.server.service import MonitorService
from monitor.types import Flag, Label, Opinion, Origin
from monitor.types.formatting import clock, count, percent_or_unknown

_MARK: Final = "▶"
# Keys in the tab's session:
_TABLES: Final = "review-tables"  # number of the table; a new one has no selection
_IDS: Final = "review-ids"  # of the listed flags
_TICKED: Final = "review-ticked"  # ids of the last run
_CLICKED: Final = "review-clicked"  # id of the last run


@dataclass(frozen=True, slots=True)
class ListSelection:
    """The selection in the list of flags."""

    ticked: tuple[Flag, ...]
    newest: Flag | None  # clicked or ticked since the last run; None: nothing new


def read_selection(flags: Sequence[Flag]) -> ListSelection:
    """Reads the selection before the list is drawn; a changed list starts without one, as its rows are other flags."""
    ids = [flag.id for flag in flags]
    selection: dict[str, Any] = st.session_state.get(_table(), {}).get("selection", {})
    if st.session_state.get(_IDS) != ids and any(selection.values()):
        st.session_state[_TABLES] = st.session_state.get(_TABLES, 0) + 1
        selection = {}
    st.session_state[_IDS] = ids
    ticked = tuple(flags[row] for row in selection.get("rows", ()) if row < len(flags))
    clicked = next((flags[row] for row, _ in selection.get("cells", ()) if row < len(flags)), None)
    before, clicked_before = st.session_state.get(_TICKED, ()), st.session_state.get(_CLICKED)
    newest = next((flag for flag in reversed(ticked) if flag.id not in before), None)
    if clicked is not None and clicked.id != clicked_before:
        newest = clicked
    st.session_state[_TICKED] = tuple(flag.id for flag in ticked)
    st.session_state[_CLICKED] = None if clicked is None else clicked.id
    return ListSelection(ticked, newest)


def flag_list(flags: Sequence[Flag], *, shown: Flag | None) -> None:
    """Shows the list; the shown flag is marked."""
    rows = [
        {
            "": _MARK if shown is not None and flag.id == shown.id else "",
            "time": flag.created_at,
            "source": source_name(flag.source),
            "moment": clock(flag.media_time),
            "label": _label(flag),
            "opinion": flag.opinion or ("reviewed" if flag.reviewed_at else ""),
            "flagged by": flag.reporter if flag.origin is Origin.PERSON else "the program",
        }
        for flag in flags
    ]
    columns = {
        "": st.column_config.TextColumn(width=22),
        "time": st.column_config.DatetimeColumn(format="MMM D, HH:mm", width=90),
        "source": st.column_config.TextColumn(width=120),
        "moment": st.column_config.TextColumn(width=62),
        "label": st.column_config.TextColumn(help="The program's label and P(fake) at that moment", width=136),
        "opinion": st.column_config.TextColumn(help="Of a person", width=76),
        "flagged by": st.column_config.TextColumn(width=88),
    }
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        height=420,
        column_config=columns,
        on_select="rerun",
        selection_mode=["multi-row", "single-cell"],
        key=_table(),
    )
    text = [
        {"shown": "shown" if row.pop("") else "", **row, "time": f"{flag.created_at:%Y-%m-%d %H:%M} UTC"}
        for row, flag in zip(rows, flags, strict=True)
    ]
    list_as_text(text, name="Flags", key="review-as-text")


def _label(flag: Flag) -> str:
    """The program's label, with P(fake) where the label rests on it: "suspicious, 80 %"."""
    if flag.label is Label.NOT_ENOUGH_EVIDENCE or flag.probability is None:
        return flag.label.in_words
    return f"{flag.label.in_words}, {percent_or_unknown(flag.probability)}"


def _table() -> str:
    return f"review-table-{st.session_state.get(_TABLES, 0)}"


def bulk_actions(
    monitor_service: MonitorService,
    flags: Sequence[Flag],
    *,
    reviews: Sequence[tuple[str, Opinion | None]],
    judge: Callable[[Sequence[Flag], Opinion | None], object],
) -> None:
    """Shows the actions on all ticked flags.

    Args:
        monitor_service: stores the flags.
        flags: the ticked ones.
        reviews: caption and opinion of each review.
        judge: stores the review of these flags, as one action.
    """
    if not flags:
        st.caption("Click on a row to show its flag. Tick rows to review, export or delete several flags.")
        return
    st.caption(f"{count(len(flags), 'ticked flag')}, all at once:")
    locked, delete_locked = explain_denial(Role.REVIEWER), explain_denial(Role.ADMIN)
    row = st.container(horizontal=True)
    for caption, opinion in reviews:
        is_pressed = row.button(
            f"{caption} ({len(flags)})",
            key=f"bulk-{opinion or 'review'}",
            disabled=bool(locked),
            help=locked or None,
        )
        if is_pressed and check_role(Role.REVIEWER):
            judge(flags, opinion)
            st.rerun()
    row.link_button(
        f"Export ({len(flags)})",
        address("export", ids=",".join(flag.id for flag in flags), actor=get_reporter()),
        disabled=bool(locked),
        help=locked or None,
    )
    with row.popover("Delete", disabled=bool(delete_locked), help=delete_locked or None):
        st.markdown("This also deletes the files of the flags. It cannot be undone.")
        is_pressed = st.button(f"Delete {len(flags)}", key="bulk-delete", type="primary", disabled=bool(delete_locked))
        if is_pressed and check_role(Role.ADMIN):
            for flag in flags:
                monitor_service.archive.delete(flag.id, actor=get_reporter())
                audit("flag deleted", flag.id)
            st.rerun()
