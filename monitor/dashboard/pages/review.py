"""The review of flags."""

from collections.abc import Sequence
from typing import Final

import pandas as pd
import streamlit as st

from monitor.dashboard.keys import keys
from monitor.dashboard.pages.current_user import ask_reporter, audit, check_role, explain_denial, get_reporter, refresh
from monitor.dashboard.pages.formatting import absolute, address, badge
from monitor.errors import MonitorError
from monitor.flags.files import CLIP, FRAME, OVERLAY
from monitor.flags.queries import FlagQuery, Order
from monitor.server import service
from monitor.server.auth.user import Role
from monitor.types import ClipState, Flag, Label, Opinion, Origin
from monitor.types.formatting import clock, percent_or_unknown, reasons_in_words

_SHOWN: Final = 500
_STATES: Final[dict[str, bool | None]] = {"not reviewed": False, "reviewed": True, "all": None}
_ORIGINS: Final[dict[str, Origin | None]] = {
    "anyone": None,
    "the program": Origin.AUTOMATIC,
    "people": Origin.PERSON,
}
_ORDERS: Final[dict[str, Order]] = {"newest": "newest", "oldest": "oldest", "most suspicious": "most_suspicious"}
_REVIEWS: Final[dict[str, tuple[str, Opinion | None]]] = {  # by key
    "c": ("Fake", Opinion.FAKE),
    "x": ("False alarm", Opinion.REAL),
    "u": ("Unsure", Opinion.UNSURE),
    "r": ("Reviewed", None),
}
_NEXT, _BACK = "j", "k"
_CHOSEN: Final = "review-chosen"  # id of the shown flag


def show() -> None:
    """Shows the page."""
    ask_reporter()
    monitor_service = service.current()
    st.header("Review")
    query = _query()
    try:
        flags, total = (
            monitor_service.archive.store.find(query, limit=_SHOWN),
            monitor_service.archive.store.count(query),
        )
    except MonitorError as error:
        st.error(str(error))
        return
    if not flags:
        st.info(
            "No flags found. Press the flag button under a live picture, or wait until the program flags a suspicious "
            "face."
        )
        return
    left, right = st.columns([2, 3])
    with left:
        selected = _table(flags)
        if total > len(flags):
            st.caption(f"Showing {len(flags)} of {total} flags. Narrow the search to see the others.")
        _bulk(monitor_service, selected)
    flag = _choose(flags, selected)
    with right:
        _details(monitor_service, flag, flags)


def _query() -> FlagQuery:
    """Shows the filters; returns their query."""
    one, two, three, four, five = st.columns([3, 2, 2, 2, 2])
    text = one.text_input("Search", placeholder="source, note, category, person", key="review-text")
    state = two.selectbox("State", list(_STATES), key="review-state")
    label = three.selectbox(
        "Program's label", [None, *Label], format_func=lambda label: label.in_words if label else "any"
    )
    origin = four.selectbox(
        "Flagged by", list(_ORIGINS), key="review-origin", help="The program flags faces that become suspicious."
    )
    order = five.selectbox("Order", list(_ORDERS))
    return FlagQuery(text=text, reviewed=_STATES[state], label=label, origin=_ORIGINS[origin], order=_ORDERS[order])


def _table(flags: Sequence[Flag]) -> list[Flag]:
    """Lists the flags; returns the selected ones."""
    rows = [
        {
            "time": flag.created_at,
            "source": flag.source,
            "moment": clock(flag.media_time),
            "P(fake)": flag.probability,
            "program's label": flag.label.in_words,
            "person's opinion": flag.opinion or ("reviewed" if flag.reviewed_at else ""),
            "flagged by": flag.reporter if flag.origin is Origin.PERSON else "the program",
        }
        for flag in flags
    ]
    columns = {
        "time": st.column_config.DatetimeColumn(format="MMM D, HH:mm:ss"),
        "P(fake)": st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent"),
    }
    event = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        height=420,
        column_config=columns,
        on_select="rerun",
        selection_mode="multi-row",
        key="review-table",
    )
    return [flags[row] for row in event["selection"]["rows"] if row < len(flags)]


def _choose(flags: Sequence[Flag], selected: Sequence[Flag]) -> Flag:
    """The flag to show: the last selected row, or the flag reached with the keys."""
    newest = selected[-1].id if selected else None
    if newest is not None and st.session_state.get("review-selected") != newest:
        st.session_state[_CHOSEN] = newest
    st.session_state["review-selected"] = newest
    return next((flag for flag in flags if flag.id == st.session_state.get(_CHOSEN)), flags[0])


def _details(monitor_service: service.MonitorService, flag: Flag, flags: Sequence[Flag]) -> None:
    """Shows a flag: its clip, its picture with heat-map, the review form and the history."""
    st.markdown(f"#### {flag.source}, {clock(flag.media_time)} {badge(flag.label)}")
    st.markdown(
        f"P(fake) **{percent_or_unknown(flag.probability)}** from {flag.samples} samples"
        + (f"; {reasons_in_words(flag.reasons)}" if flag.reasons else "")
    )
    clip, picture = st.columns(2)
    with clip:
        _clip(monitor_service, flag)
    with picture:
        folder = monitor_service.archive.files.folder(flag.id)
        has_heat_map = st.toggle("Heat-map", value=True, key="review-heat")
        path = folder / (OVERLAY if has_heat_map else FRAME)
        if path.is_file():
            st.image(str(path), caption="the flagged moment")
    _review(monitor_service, flag, flags)
    _history(monitor_service, flag)


def _clip(monitor_service: service.MonitorService, flag: Flag) -> None:
    if flag.clip is ClipState.KEPT:
        st.video(absolute("flags", flag.id, CLIP))
        st.caption(flag.clip_in_words)
        if flag.clip_warning:
            st.warning(f"About this clip: {flag.clip_warning}.")
    elif flag.clip is ClipState.PENDING:
        _wait_for_clip(monitor_service, flag)
    else:
        st.warning(f"No clip: {flag.clip_why}")


@refresh(every=1.0)
def _wait_for_clip(monitor_service: service.MonitorService, flag: Flag) -> None:
    """Reruns the page when the clip is complete."""
    st.info(
        "The clip is not complete yet: the seconds after the moment are being recorded.", icon=":material/hourglass:"
    )
    if monitor_service.archive.store.get(flag.id).clip is not ClipState.PENDING:
        st.rerun()


def _review(monitor_service: service.MonitorService, flag: Flag, flags: Sequence[Flag]) -> None:
    """Shows the note and the buttons; each button has a key."""
    note = st.text_area("Note", flag.note, key=f"note-{flag.id}", max_chars=4000, height=80)

    def press(letter: str) -> None:
        if letter in _REVIEWS:
            if not check_role(Role.REVIEWER):
                return
            new_note = note if note != flag.note else None
            monitor_service.archive.store.review(
                flag.id, actor=get_reporter(), opinion=_REVIEWS[letter][1], note=new_note
            )
        _step(flag, flags, by=-1 if letter == _BACK else 1)

    keys([*_REVIEWS, _NEXT, _BACK], key="review-keys", on_key=press)
    captions = {letter: caption for letter, (caption, _) in _REVIEWS.items()} | {_NEXT: "Next", _BACK: "Back"}
    cells = [*st.columns(3), *st.columns(3)]
    for cell, (letter, caption) in zip(cells, captions.items(), strict=True):
        locked = explain_denial(Role.REVIEWER) if letter in _REVIEWS else ""
        cell.button(
            f"{caption} `{letter.upper()}`",
            key=f"review-{letter}",
            on_click=press,
            args=(letter,),
            width="stretch",
            disabled=bool(locked),
            help=locked or None,
        )


def _step(flag: Flag, flags: Sequence[Flag], *, by: int) -> None:
    ids = [one.id for one in flags]
    st.session_state[_CHOSEN] = ids[max(0, min(len(ids) - 1, ids.index(flag.id) + by))]


def _history(monitor_service: service.MonitorService, flag: Flag) -> None:
    """Shows the changes of the verdict, the log of actions, and the model."""
    with st.expander("Reasons and history"):
        trace = [
            {
                "time": clock(change["media_time"]),
                "before": Label(change["before"]).in_words,
                "after": Label(change["after"]).in_words,
                "P(fake)": change["probability"],
                "strongest samples (log-odds)": ", ".join(
                    f"{sample['contribution']:+.2f} at {clock(sample['media_time'])}" for sample in change["witnesses"]
                ),
            }
            for change in flag.trace
        ]
        if trace:
            st.dataframe(pd.DataFrame(trace), hide_index=True, width="stretch")
        log = [
            {"time": event.at[:19], "person": event.actor or "the program", "action": event.action}
            for event in monitor_service.archive.store.events(flag.id)
        ]
        st.dataframe(pd.DataFrame(log), hide_index=True, width="stretch")
        st.caption(
            f"{flag.id}; {flag.model} on {flag.engine}, version {flag.program}, weights {flag.weights_sha256[:16]}..."
        )


def _bulk(monitor_service: service.MonitorService, flags: Sequence[Flag]) -> None:
    """Shows the actions on all selected flags."""
    if not flags:
        st.caption("Select rows to export, review or delete several flags.")
        return
    one, two, three = st.columns(3)
    locked, delete_locked = explain_denial(Role.REVIEWER), explain_denial(Role.ADMIN)
    one.link_button(
        f"Export {len(flags)}",
        address("export", ids=",".join(flag.id for flag in flags), actor=get_reporter()),
        width="stretch",
        disabled=bool(locked),
        help=locked or None,
    )
    is_pressed = two.button("Reviewed", key="bulk-review", width="stretch", disabled=bool(locked), help=locked or None)
    if is_pressed and check_role(Role.REVIEWER):
        for flag in flags:
            monitor_service.archive.store.review(flag.id, actor=get_reporter())
        st.rerun()
    with three.popover("Delete", width="stretch", disabled=bool(delete_locked), help=delete_locked or None):
        st.markdown("This also deletes the files of the flags. It cannot be undone.")
        is_pressed = st.button(f"Delete {len(flags)}", key="bulk-delete", type="primary", disabled=bool(delete_locked))
        if is_pressed and check_role(Role.ADMIN):
            for flag in flags:
                monitor_service.archive.delete(flag.id, actor=get_reporter())
                audit("flag deleted", flag.id)
            st.rerun()
