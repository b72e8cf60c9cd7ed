"""What people see. Each page is one file; all of them only look up what the station does.

live      what is watched now
analyse   uploaded files
review    flags, and what people make of them
model     who judges, and how well
system    how this machine is doing
"""

from __future__ import annotations

from importlib import resources

import streamlit as st

from monitor.dashboard.pages import analyse, live, model, review, system


def show() -> None:
    """The page that the address names."""
    icon = resources.files("monitor").joinpath("assets/icon.png")
    st.set_page_config("Deepfake monitor", page_icon=str(icon), layout="wide")
    pages = [  # without icons: a page's becomes the tab's, which the browser would fetch from a font server
        st.Page(live.show, title="Live", url_path="live", default=True),
        st.Page(analyse.show, title="Analyse", url_path="analyse"),
        st.Page(review.show, title="Review", url_path="review"),
        st.Page(model.show, title="Model", url_path="model"),
        st.Page(system.show, title="System", url_path="system"),
    ]
    st.navigation(pages, position="top").run()
