"""A file from the browser straight to the server's disk: one PUT, however large, with progress and a way to stop it.

Streamlit's own uploader keeps the whole file in memory, twice.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlit.components.v2.types import ComponentRenderer


@cache
def _component() -> ComponentRenderer:
    """Registered with the first page that shows it: importing this module needs no running Streamlit."""
    files = resources.files(__package__)
    return st.components.v2.component(
        "deepfake_monitor.upload",
        html=files.joinpath("upload.html").read_text(encoding="utf-8"),
        css=files.joinpath("upload.css").read_text(encoding="utf-8"),
        js=files.joinpath("upload.js").read_text(encoding="utf-8"),
    )


def upload(*, key: str, url: str, most_megabytes: int, on_done: Callable[[str], None]) -> None:
    """Offer to send files.

    Args:
        key: of this element, unique on the page.
        url: of the route that takes them, its token included.
        most_megabytes: what the browser refuses by itself.
        on_done: called with the id that the server gave to a file, before the page runs again.
    """

    def done() -> None:
        sent = st.session_state[key].get("done")
        if isinstance(sent, str):
            on_done(sent)

    _component()(key=key, data={"url": url, "most": most_megabytes}, on_done_change=done)
