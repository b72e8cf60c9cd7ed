"""Pictures to choose from: rows of buttons, each a picture and some words."""

from collections.abc import Callable, Sequence
from typing import TypedDict

import streamlit as st

from monitor.dashboard.components import part


class GalleryItem(TypedDict):
    """One picture."""

    url: str
    words: str  # below it
    about: str  # for those who cannot see it


class GalleryRow(TypedDict):
    """Pictures that belong together."""

    title: str
    items: list[GalleryItem]


def gallery(rows: Sequence[GalleryRow], *, key: str, on_pick: Callable[[int, int], None]) -> None:
    """Show pictures.

    Args:
        rows: from top to bottom.
        key: of this element, unique on the page.
        on_pick: called with the numbers of row and item before the page runs again.
    """

    def picked() -> None:
        match st.session_state[key].get("picked"):
            case [int(row), int(item)] if 0 <= row < len(rows) and 0 <= item < len(rows[row]["items"]):
                on_pick(row, item)

    part(__name__)(key=key, data={"rows": list(rows)}, on_picked_change=picked)
