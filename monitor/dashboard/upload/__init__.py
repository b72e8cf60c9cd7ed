"""Uploads a file of any size to the server's disk in one PUT request, with a progress bar and a stop button.

Streamlit's own uploader holds the whole file in memory, twice.
"""

from collections.abc import Callable

import streamlit as st

from monitor.dashboard.components import load_component


def upload(*, key: str, url: str, max_megabytes: int, on_done: Callable[[str], None]) -> None:
    """Shows the upload form.

    Args:
        key: of this element, unique on the page.
        url: of the upload route, its token included.
        max_megabytes: the browser refuses larger files before it sends them.
        on_done: called with the id of the finished upload, before the page runs again.
    """

    def report_upload() -> None:
        upload_id = st.session_state[key].get("done")
        if isinstance(upload_id, str):
            on_done(upload_id)

    load_component(__name__)(key=key, data={"url": url, "max_megabytes": max_megabytes}, on_done_change=report_upload)
