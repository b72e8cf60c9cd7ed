"""Rows of pictures to choose from; each picture is a button with a caption."""

from collections.abc import Callable, Sequence
from typing import TypedDict

import streamlit as st

from monitor.dashboard.components import load_component


class GalleryItem(TypedDict):
    """One picture."""

    url: str
    caption: str  # below the picture
    description: str  # for screen readers


class GalleryRow(TypedDict):
    """One row of pictures with a title."""

    title: str
    items: list[GalleryItem]


def gallery(rows: Sequence[GalleryRow], *, key: str, on_pick: Callable[[int, int], None]) -> None:
    """Shows the pictures.

    Args:
        rows: from top to bottom.
        key: of this element, unique on the page.
        on_pick: called with the indexes of row and item before the page runs again.
    """

    def report_pick() -> None:
        match st.session_state[key].get("picked"):
            case [int(row), int(item)] if 0 <= row < len(rows) and 0 <= item < len(rows[row]["items"]):
                on_pick(row, item)

    load_component(__name__)(key=key, data={"rows": list(rows)}, on_picked_change=report_pick)
