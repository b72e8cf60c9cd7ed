"""Keyboard shortcuts for a whole page, except while a person types into a field.

Streamlit's own shortcuts do not allow C and R, which the review page needs.
"""

from collections.abc import Callable, Sequence

import streamlit as st

from monitor.dashboard.components import load_component


def keys(wanted: Sequence[str], *, key: str, on_key: Callable[[str], None]) -> None:
    """Listens to keys while this page is shown.

    Args:
        wanted: lower-case letters; combinations with Ctrl, Alt or Meta go to the browser.
        key: of this element, unique on the page.
        on_key: called with the letter, before the page runs again.
    """

    def report_key() -> None:
        letter = st.session_state[key].get("pressed")
        if letter in wanted:
            on_key(letter)

    load_component(__name__)(key=key, data={"wanted": list(wanted)}, on_pressed_change=report_key)
