"""Keyboard shortcuts for a whole page, except while a person types into a field.

Streamlit's own shortcuts do not allow C and R, which the review page needs.
"""

from collections.abc import Callable, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from monitor.dashboard.components import load_component


def subject_container(subject: str, *, key: str) -> DeltaGenerator:
    """The place for the object that the keys refer to; the browser looks there which one is on the screen.

    Args:
        subject: id of the object: letters, digits and hyphens.
        key: of the keys.
    """
    return st.container(key=f"{key}-{subject}")


def keys(
    wanted: Sequence[str], *, subject: str, key: str, on_key: Callable[[str, str], None], filters: str = ""
) -> None:
    """Listens to keys while this page is shown.

    A press belongs to the subject on the screen at that time, although the server may know a newer one. Until the page
    has answered a press, and while it draws another subject, further presses are ignored, and the page says so.

    Args:
        wanted: lower-case letters; combinations with Ctrl, Alt or Meta go to the browser.
        subject: id of the shown object, drawn in its :func:`subject_container`.
        key: of this element, unique on the page.
        on_key: called with the letter and the subject of the press, before the page runs again.
        filters: the values of the page's filters as text; a filter field loses the focus when they change, so that the
            keys work again.
    """
    answered = f"{key}-answered"  # number of the last press

    def report_key() -> None:
        match st.session_state[key].get("pressed"):
            case {"letter": str(letter), "subject": str(pressed_on), "number": int(number)}:
                st.session_state[answered] = number
                if letter in wanted:
                    on_key(letter, pressed_on)

    data = {
        "wanted": list(wanted),
        "subject": subject,
        "container": f"{key}-{subject}",
        "answered": st.session_state.get(answered, 0),
        "filters": filters,
    }
    load_component(__name__)(key=key, data=data, on_pressed_change=report_key)
