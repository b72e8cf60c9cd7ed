"""Flags, and what people make of them."""

from collections.abc import Sequence
from typing import Final

import pandas as pd
import streamlit as st

from monitor.dashboard.keys import keys
from monitor.dashboard.pages.current_user import ask_reporter, audit, lacking, permitted, refreshed, reporter
from monitor.dashboard.pages.formatting import absolute, address, badge
from monitor.errors import MonitorError
from monitor.flags.files import CLIP, FRAME, OVERLAY
from monitor.flags.queries import FlagQuery, Order
from monitor.server import service
from monitor.server.auth.user import Role
from monitor.types import ClipState, Flag, Label, Opinion, Origin
from monitor.types.formatting import clock, clock_span, percent_or_unknown, reasons_in_words

_SHOWN: Final = 500
_SEEN: Final[dict[str, bool | None]] = {"to be looked at": False, "looked at": True, "all": None}
_ORIGINS: Final[dict[str, Origin | None]] = {
    "anybody": None,
    "the program": Origin.AUTOMATIC,
    "people": Origin.PERSON,
}
_ORDERS: Final[dict[str, Order]] = {"newest": "newest", "oldest": "oldest", "most suspicious": "most_suspicious"}
_SAID: Final[dict[str, tuple[str, Opinion | None]]] = {  # by key
    "c": ("Fake", Opinion.FAKE),
    "x": ("False alarm", Opinion.REAL),
    "u": ("Unsure", Opinion.UNSURE),
    "r": ("Looked at", None),
}
_NEXT, _BACK = "j", "k"
_CHOSEN: Final = "review-chosen"  # id of the flag that is shown


def show() -> None:
    """The page."""
    ask_reporter()
    here = service.current()
    st.header("Review")
    query = _query()
    try:
        flags, total = here.archive.store.find(query, limit=_SHOWN), here.archive.store.count(query)
    except MonitorError as error:
        st.error(str(error))
        return
    if not flags:
        st.info("No flags here. Press the flag under a live picture, or wait for something suspicious.")
        return
    left, right = st.columns([2, 3])
    with left:
        picked = _table(flags)
        if total > len(flags):
            st.caption(f"{len(flags)} of {total}: narrow the search")
        _bulk(here, picked)
    shown = _shown(flags, picked)
    with right:
        _one(here, shown, flags)


def _query() -> FlagQuery:
    """What the filters say."""
    one, two, three, four, five = st.columns([3, 2, 2, 2, 2])
    text = one.text_input("Search", placeholder="source, note, category, who", key="review-text")
    seen = two.selectbox("State", list(_SEEN), key="review-seen")
    label = three.selectbox(
        "The program said", [None, *Label], format_func=lambda one: one.in_words if one else "anything"
    )
    origin = four.selectbox(
        "Flagged by", list(_ORIGINS), key="review-origin", help="The program flags faces that become suspicious."
    )
    order = five.selectbox("Order", list(_ORDERS))
    return FlagQuery(text=text, reviewed=_SEEN[seen], label=label, origin=_ORIGINS[origin], order=_ORDERS[order])


def _table(flags: Sequence[Flag]) -> list[Flag]:
    """The list; those whose rows are ticked."""
    rows = [
        {
            "at": flag.created_at,
            "source": flag.source,
            "moment": clock(flag.media_time),
            "P(fake)": flag.probability,
            "the program": flag.label.in_words,
            "a person": flag.opinion or ("looked at" if flag.reviewed_at else ""),
            "by": flag.reporter if flag.origin is Origin.PERSON else "the program",
        }
        for flag in flags
    ]
    columns = {
        "at": st.column_config.DatetimeColumn(format="MMM D, HH:mm:ss"),
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


def _shown(flags: Sequence[Flag], picked: Sequence[Flag]) -> Flag:
    """The flag to look at: the one that was ticked last, or that the keys led to."""
    newest = picked[-1].id if picked else None
    if newest is not None and st.session_state.get("review-picked") != newest:
        st.session_state[_CHOSEN] = newest
    st.session_state["review-picked"] = newest
    return next((flag for flag in flags if flag.id == st.session_state.get(_CHOSEN)), flags[0])


def _one(here: service.MonitorService, flag: Flag, flags: Sequence[Flag]) -> None:
    """A flag with its clip, its picture and heat-map, and what is said of it."""
    st.markdown(f"#### {flag.source}, {clock(flag.media_time)} {badge(flag.label)}")
    st.markdown(
        f"P(fake) **{percent_or_unknown(flag.probability)}** from {flag.samples} samples"
        + (f"; {reasons_in_words(flag.reasons)}" if flag.reasons else "")
    )
    clip, picture = st.columns(2)
    with clip:
        _clip(here, flag)
    with picture:
        folder = here.archive.exhibits.folder(flag.id)
        heat = st.toggle("Heat-map", value=True, key="review-heat")
        path = folder / (OVERLAY if heat else FRAME)
        if path.is_file():
            st.image(str(path), caption="the flagged moment")
    _judge(here, flag, flags)
    _facts(here, flag)


def _clip(here: service.MonitorService, flag: Flag) -> None:
    if flag.clip is ClipState.KEPT:
        st.video(absolute("flags", flag.id, CLIP))
        st.caption(clock_span(flag.start, flag.end))
    elif flag.clip is ClipState.PENDING:
        _wait_for_clip(here, flag)
    else:
        st.warning(f"No clip: {flag.clip_why}")


@refreshed(every=1.0)
def _wait_for_clip(here: service.MonitorService, flag: Flag) -> None:
    """Show the clip as soon as it is there."""
    st.info("The seconds after the moment are still to come.", icon=":material/hourglass:")
    if here.archive.store.get(flag.id).clip is not ClipState.PENDING:
        st.rerun()


def _judge(here: service.MonitorService, flag: Flag, flags: Sequence[Flag]) -> None:
    """Buttons with keys, the note, and the way to the next."""
    note = st.text_area("Note", flag.note, key=f"note-{flag.id}", max_chars=4000, height=80)

    def done(letter: str) -> None:
        if letter in _SAID:
            if not permitted(Role.REVIEWER):
                return
            said = note if note != flag.note else None
            here.archive.store.review(flag.id, actor=reporter(), opinion=_SAID[letter][1], note=said)
        _step(flag, flags, by=-1 if letter == _BACK else 1)

    keys([*_SAID, _NEXT, _BACK], key="review-keys", on_key=done)
    names = {letter: words for letter, (words, _) in _SAID.items()} | {_NEXT: "Next", _BACK: "Back"}
    cells = [*st.columns(3), *st.columns(3)]
    for cell, (letter, words) in zip(cells, names.items(), strict=True):
        locked = lacking(Role.REVIEWER) if letter in _SAID else ""
        cell.button(
            f"{words} `{letter.upper()}`",
            key=f"say-{letter}",
            on_click=done,
            args=(letter,),
            width="stretch",
            disabled=bool(locked),
            help=locked or None,
        )


def _step(flag: Flag, flags: Sequence[Flag], *, by: int) -> None:
    ids = [one.id for one in flags]
    st.session_state[_CHOSEN] = ids[max(0, min(len(ids) - 1, ids.index(flag.id) + by))]


def _facts(here: service.MonitorService, flag: Flag) -> None:
    """The trace, who did what, and with what it was judged."""
    with st.expander("Why, and who did what"):
        trace = [
            {
                "at": clock(change["media_time"]),
                "before": Label(change["before"]).in_words,
                "after": Label(change["after"]).in_words,
                "P(fake)": change["probability"],
                "because of": ", ".join(
                    f"{one['contribution']:+.2f} at {clock(one['media_time'])}" for one in change["witnesses"]
                ),
            }
            for change in flag.trace
        ]
        if trace:
            st.dataframe(pd.DataFrame(trace), hide_index=True, width="stretch")
        log = [
            {"when": event.at[:19], "who": event.actor or "the program", "what": event.action}
            for event in here.archive.store.events(flag.id)
        ]
        st.dataframe(pd.DataFrame(log), hide_index=True, width="stretch")
        st.caption(
            f"{flag.id}; {flag.model} on {flag.engine}, version {flag.program}, weights {flag.weights_sha256[:16]}..."
        )


def _bulk(here: service.MonitorService, flags: Sequence[Flag]) -> None:
    """What can be done with all ticked rows."""
    if not flags:
        st.caption("Tick rows to do something with several of them.")
        return
    one, two, three = st.columns(3)
    locked, kept = lacking(Role.REVIEWER), lacking(Role.ADMIN)
    one.link_button(
        f"Export {len(flags)}",
        address("export", ids=",".join(flag.id for flag in flags), actor=reporter()),
        width="stretch",
        disabled=bool(locked),
        help=locked or None,
    )
    seen = two.button("Looked at", key="bulk-seen", width="stretch", disabled=bool(locked), help=locked or None)
    if seen and permitted(Role.REVIEWER):
        for flag in flags:
            here.archive.store.review(flag.id, actor=reporter())
        st.rerun()
    with three.popover("Delete", width="stretch", disabled=bool(kept), help=kept or None):
        st.markdown("Files too; they cannot be brought back.")
        delete = st.button(f"Delete {len(flags)}", key="bulk-delete", type="primary", disabled=bool(kept))
        if delete and permitted(Role.ADMIN):
            for flag in flags:
                here.archive.delete(flag.id, actor=reporter())
                audit("flag deleted", flag.id)
            st.rerun()
