"""A file from the browser straight to the server's disk: one PUT, however large, with progress and a way to stop it.

Streamlit's own uploader keeps the whole file in memory, twice.
"""

from collections.abc import Callable

import streamlit as st

from monitor.dashboard.components import part


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

    part(__name__)(key=key, data={"url": url, "most": most_megabytes}, on_done_change=done)
