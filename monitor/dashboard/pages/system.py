"""How this machine is doing."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import gettempdir

import pandas as pd
import streamlit as st

import monitor
from monitor.dashboard import station
from monitor.dashboard.pages.sources import describe
from monitor.doctor import examine


def show() -> None:
    """The page."""
    here = station.current()
    st.header("System")
    st.caption(f"deepfake-monitor {monitor.__version__}")
    _running(here)
    st.subheader("Engine")
    engines = here.loaded
    if engines is None:
        st.markdown("Not loaded yet: it is with the first source or upload.")
    else:
        st.markdown(f"**{engines.scorer.engine.name}**: {engines.choice.reason}. Weights {engines.detector.card.id}.")
    st.subheader("Storage")
    folder = here.archive.folder
    kept = [path.stat().st_size for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    free = shutil.disk_usage(folder if folder.is_dir() else folder.anchor).free
    one, two, three = st.columns(3)
    one.metric("Flags", here.archive.store.count())
    two.metric("Kept", f"{sum(kept) / 1e6:.1f} MB")
    three.metric("Free on that disk", f"{free / 1e9:.1f} GB")
    st.caption(
        f"In {folder}. After the last start: {here.repaired.orphans} unfinished files were removed, "
        f"{here.repaired.lost} clips had been cut short."
    )
    st.subheader("Is this machine ready?")
    if st.button("Examine it", help="Takes some seconds; the picture may stutter meanwhile."):
        found = examine(here.settings, out=Path(gettempdir()))
        rows = [{"question": one.question, "health": one.health, "answer": one.answer} for one in found]
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")


@st.fragment(run_every=2.0)
def _running(here: station.Station) -> None:
    """What is watched, and how it fares."""
    st.subheader("Watched")
    for channel in here.channels:
        status = channel.status
        st.markdown(f"**{channel.name}** ({channel.address}) {describe(status)}")
        if status.stats is not None:
            stats = status.stats
            lost = ", ".join(f"{count} {cause}" for cause, count in {**stats.dropped, **stats.lost}.items())
            st.caption(
                f"{stats.frames_analysed} of {stats.frames_read} frames analysed, {stats.fps:.1f} a second; "
                f"lost: {lost or 'none'}; opened {status.epoch} times; {channel.hub.viewers} look at it"
            )
