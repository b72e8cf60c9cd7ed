"""Keys that work anywhere on a page, but not while somebody types.

Streamlit's own shortcuts refuse C and R, which people expect to confirm and to review.
"""

from collections.abc import Callable, Sequence

import streamlit as st

from monitor.dashboard.components import part


def keys(wanted: Sequence[str], *, key: str, on_key: Callable[[str], None]) -> None:
    """Listen to keys while this page is shown.

    Args:
        wanted: lower-case letters; with Ctrl, Alt or Meta they stay the browser's.
        key: of this element, unique on the page.
        on_key: called with the letter, before the page runs again.
    """

    def pressed() -> None:
        letter = st.session_state[key].get("pressed")
        if letter in wanted:
            on_key(letter)

    part(__name__)(key=key, data={"wanted": list(wanted)}, on_pressed_change=pressed)
