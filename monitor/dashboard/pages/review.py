"""The review of flags."""

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Final

import streamlit as st

from monitor.dashboard.keys import keys, subject_container
from monitor.dashboard.pages.current_user import ask_reporter, check_role, explain_denial, get_reporter, refresh
from monitor.dashboard.pages.flag_list import bulk_actions, flag_list, read_selection
from monitor.dashboard.pages.formatting import (
    HEAT_MAP_LIMITS,
    absolute,
    address,
    badge,
    engine_in_words,
    escape,
    page_head,
    show_picture,
    source_name,
    sources_named,
    text_table,
    verdict_place,
)
from monitor.errors import FlagNotFoundError, MonitorError, OutputError, UsageError
from monitor.flags.files import CLIP, FRAME, OVERLAY
from monitor.flags.queries import FlagQuery, Order
from monitor.server import service
from monitor.server.auth.user import Role
from monitor.types import ClipState, Flag, Label, Opinion, Origin
from monitor.types.formatting import clock, count, percent_or_unknown, reasons_in_words

_SHOWN: Final = 500
_UNDONE: Final = 200  # actions that a session can undo
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
_NEXT, _BACK, _UNDO = "j", "k", "z"
_KEYS: Final = "review-keys"
_END: Final = "end"  # subject of the keys behind the last flag
# Of the session:
_CHOSEN: Final = "review-chosen"  # id of the shown flag
_ENDED: Final = "review-ended"  # the query and the ids of the list whose end is shown
_JUDGED: Final = "review-judged"  # of each action its flags before and after the review, the latest action last


def show() -> None:
    """Shows the page."""
    monitor_service = service.current()
    with page_head("Review"):
        ask_reporter()
    query = _query()
    try:
        flags, total = (
            monitor_service.archive.store.find(query, limit=_SHOWN),
            monitor_service.archive.store.count(query),
        )
    except MonitorError as error:
        st.error(escape(str(error)))
        return
    selection = read_selection(flags)
    flag = _choose(flags, selection.newest, query)
    left, right = st.columns([11, 10])
    if flags:
        with left:
            flag_list(flags, shown=flag)
            if total > len(flags):
                st.caption(f"Showing {len(flags)} of {total} flags. Narrow the search to see the others.")
            bulk_actions(
                monitor_service,
                selection.ticked,
                reviews=list(_REVIEWS.values()),
                judge=partial(_judge, monitor_service),
            )
    with right, verdict_place():
        if flag is None:
            _show_end(monitor_service, query, flags)
        else:
            _details(monitor_service, flag, flags)
        _controls(monitor_service, flag, flags, query)
        if flag is not None:
            _history(monitor_service, flag)


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
    return FlagQuery(
        text=text,
        named=sources_named(text),
        reviewed=_STATES[state],
        label=label,
        origin=_ORIGINS[origin],
        order=_ORDERS[order],
    )


def _choose(flags: Sequence[Flag], newest: Flag | None, query: FlagQuery) -> Flag | None:
    """The flag to show: the newest selected one, or the flag reached with the keys; None: the end of the list.

    A flag that is new in the list follows its end.
    """
    if newest is not None:
        _go_to(newest.id)
    ended_query, ended_ids = st.session_state.get(_ENDED, (None, frozenset()))
    if ended_query == query:
        return next((flag for flag in flags if flag.id not in ended_ids), None)
    chosen = next((flag for flag in flags if flag.id == st.session_state.get(_CHOSEN)), None)
    return chosen or next(iter(flags), None)


def _go_to(flag_id: str) -> None:
    st.session_state[_CHOSEN] = flag_id
    st.session_state.pop(_ENDED, None)


def _show_end(monitor_service: service.MonitorService, query: FlagQuery, flags: Sequence[Flag]) -> None:
    """Shows that no flag follows, or that there is none."""
    with subject_container(_END, key=_KEYS):
        if flags:
            st.success("This is the end of the list: no flag follows.", icon=":material/last_page:")
        elif query.reviewed is False and st.session_state.get(_JUDGED):
            st.success("This is the end of the list: every flag in it is reviewed.", icon=":material/last_page:")
        elif everything := monitor_service.archive.store.count():
            if query == FlagQuery(reviewed=False, order=query.order):
                st.success(
                    f'All reviewed: {count(everything, "flag")}. The state "all" lists them.',
                    icon=":material/done_all:",
                )
            else:
                st.info(f"No flag matches these filters, of {count(everything, 'flag')} in total.")
        else:
            st.info(
                "No flags found. Press the flag button under a live picture, or wait until the program flags a "
                "suspicious face."
            )


def _details(monitor_service: service.MonitorService, flag: Flag, flags: Sequence[Flag]) -> None:
    """Shows a flag: its clip, its picture with heat-map, and the note."""
    with subject_container(flag.id, key=_KEYS):
        _show_flag(monitor_service, flag)
    place = [one.id for one in flags].index(flag.id) + 1
    last = ", the last one" if place == len(flags) else ""
    st.caption(f"Flag {place} of {len(flags)}{last}")
    st.text_area("Note", flag.note, key=f"note-{flag.id}", max_chars=4000, height=80)


def _show_flag(monitor_service: service.MonitorService, flag: Flag) -> None:
    st.markdown(f"#### {escape(source_name(flag.source))}, {clock(flag.media_time)} {badge(flag.label)}")
    st.markdown(
        f"P(fake) **{percent_or_unknown(flag.probability)}** from {flag.samples} samples"
        + (f"; {reasons_in_words(flag.reasons)}" if flag.reasons else "")
    )
    clip, picture = st.columns(2)
    with clip:
        _clip(monitor_service, flag)
    with picture:
        has_heat_map = st.toggle("Heat-map", key="review-heat", help=HEAT_MAP_LIMITS)
        name = OVERLAY if has_heat_map else FRAME
        try:
            if name in monitor_service.archive.files.names(flag.id):
                show_picture(address("flags", flag.id, name), description="the flagged moment")
        except OutputError as error:
            st.warning(escape(str(error)))


def _clip(monitor_service: service.MonitorService, flag: Flag) -> None:
    if flag.clip is ClipState.KEPT:
        st.video(absolute("flags", flag.id, CLIP))
        st.caption(flag.clip_in_words)
        if flag.clip_warning:
            st.warning(f"About this clip: {flag.clip_warning}.")
    elif flag.clip is ClipState.PENDING:
        _wait_for_clip(monitor_service, flag)
    else:
        st.warning(f"No clip: {escape(flag.clip_why)}")


@refresh(every=1.0)
def _wait_for_clip(monitor_service: service.MonitorService, flag: Flag) -> None:
    """Reruns the page when the clip is complete."""
    st.info(
        "The clip is not complete yet: the seconds after the moment are being recorded.", icon=":material/hourglass:"
    )
    if monitor_service.archive.store.get(flag.id).clip is not ClipState.PENDING:
        st.rerun()


def _controls(
    monitor_service: service.MonitorService, flag: Flag | None, flags: Sequence[Flag], query: FlagQuery
) -> None:
    """Shows the buttons; each has a key. A press refers to the flag that was on the screen."""
    subject = _END if flag is None else flag.id

    def press(letter: str, pressed_on: str) -> None:
        if letter == _UNDO:
            _undo(monitor_service)
        elif letter not in _REVIEWS:
            _step(pressed_on, flags, query, by=-1 if letter == _BACK else 1)
        elif pressed_on != _END:
            shown = next((one for one in flags if one.id == pressed_on), None)
            if shown is None:
                st.toast("That flag is no longer in the list: nothing was changed.", icon=":material/error:")
            elif _judge(monitor_service, [shown], _REVIEWS[letter][1]):
                _step(pressed_on, flags, query, by=1)

    captions = {letter: caption for letter, (caption, _) in _REVIEWS.items()} if flag is not None else {}
    captions |= {_NEXT: "Next", _BACK: "Back", _UNDO: "Undo"}
    cells = [*st.columns(4), *(st.columns(4) if flag is not None else ())]
    for letter, cell in zip(captions, cells, strict=False):
        locked = explain_denial(Role.REVIEWER) if letter in {*_REVIEWS, _UNDO} else ""
        is_idle = (letter == _UNDO and not st.session_state.get(_JUDGED)) or (letter == _NEXT and flag is None)
        cell.button(
            f"{captions[letter]} `{letter.upper()}`",
            key=f"review-{letter}-{subject}",  # so a click on an old button cannot mean another flag
            on_click=press,
            args=(letter, subject),
            width="stretch",
            disabled=bool(locked) or is_idle,
            help=locked or None,
        )
    keys([*_REVIEWS, _NEXT, _BACK, _UNDO], subject=subject, key=_KEYS, on_key=press, filters=repr(query))


def _judge(monitor_service: service.MonitorService, shown: Sequence[Flag], opinion: Opinion | None) -> bool:
    """Stores a review of shown flags in one action, with each changed note; returns whether all were stored."""
    if not check_role(Role.REVIEWER):
        return False
    store, reviews = monitor_service.archive.store, []
    try:
        for flag in shown:
            before = store.get(flag.id)
            typed = st.session_state.get(f"note-{flag.id}")
            note = typed if typed != flag.note else None
            reviews.append((before, store.review(flag.id, actor=get_reporter(), opinion=opinion, note=note)))
    except MonitorError as error:
        st.toast(escape(str(error)), icon=":material/error:")
    if reviews:
        st.session_state.setdefault(_JUDGED, deque(maxlen=_UNDONE)).append(reviews)
    return len(reviews) == len(shown)


def _undo(monitor_service: service.MonitorService) -> None:
    """Restores the reviews from before the last action of this session, and shows its first flag.

    If the database fails midway, the remaining reviews stay to be undone.
    """
    actions: deque[list[tuple[Flag, Flag]]] = st.session_state.get(_JUDGED, deque())
    if not actions or not check_role(Role.REVIEWER):
        return
    reviews, undone = actions[-1], []
    while reviews:
        before, after = reviews[-1]
        try:
            monitor_service.archive.store.undo_review(before, after, actor=get_reporter())
        except (UsageError, FlagNotFoundError) as error:  # it can no longer be undone
            st.toast(escape(str(error)), icon=":material/error:")
        except MonitorError as error:
            st.toast(escape(str(error)), icon=":material/error:")
            break
        else:
            undone.append(after)
            st.session_state.pop(f"note-{after.id}", None)
        reviews.pop()
    if not reviews:
        actions.pop()
    if undone:
        _go_to(undone[-1].id)
        st.toast(f"Undone: {_subject(undone)}", icon=":material/undo:")


def _subject(flags: Sequence[Flag]) -> str:
    """The reviews of one action: "the review of Door at 0:12.0", "3 reviews"."""
    if len(flags) > 1:
        return count(len(flags), "review")
    return f"the review of {escape(source_name(flags[0].source))} at {clock(flags[0].media_time)}"


def _step(flag_id: str, flags: Sequence[Flag], query: FlagQuery, *, by: int) -> None:
    """Goes to a neighbour in the list, or behind its last flag."""
    ids = [flag.id for flag in flags]
    if flag_id == _END and by < 0 and ids:
        _go_to(ids[-1])
    elif flag_id in ids:
        place = max(0, ids.index(flag_id) + by)
        if place < len(ids):
            _go_to(ids[place])
        else:
            st.session_state[_ENDED] = (query, frozenset(ids))


def _history(monitor_service: service.MonitorService, flag: Flag) -> None:
    """Shows the changes of the verdict, the log of actions, and the model."""
    with st.expander("Reasons and history"):
        trace = [
            {
                "time": clock(change["media_time"]),
                "before": Label(change["before"]).in_words,
                "after": Label(change["after"]).in_words,
                "P(fake)": percent_or_unknown(change["probability"]),
                "strongest evidence": ", ".join(
                    f"for {'fake' if sample['contribution'] > 0 else 'real'} at {clock(sample['media_time'])}"
                    for sample in change["witnesses"]
                ),
            }
            for change in flag.trace
        ]
        if trace:
            text_table(trace, name="Changes of the verdict")
        log = [
            {"time": event.at[:19], "person": event.actor or "the program", "action": event.action}
            for event in monitor_service.archive.store.events(flag.id)
        ]
        text_table(log, name="Actions on this flag")
        st.caption(
            f"Flag {flag.id} of {escape(flag.source)}. Model {escape(flag.model)} "
            f"(weights {flag.weights_sha256[:16]}...) on {engine_in_words(flag.engine)}, version {flag.program}."
        )
