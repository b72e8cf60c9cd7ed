"""The queue of uploads: of each its state, its verdict and its buttons."""

import html
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import streamlit as st

from monitor.dashboard.pages.current_user import audit, check_role, has_role, refresh
from monitor.dashboard.pages.formatting import address, badge, escape
from monitor.results.key_frames import key_frames
from monitor.server.auth.user import Role
from monitor.server.service import MonitorService
from monitor.server.uploads import Upload, UploadState
from monitor.types.formatting import share

CHOSEN: Final = "analysis"  # key in the tab's session: id of the shown upload
_STATES: Final = "analysis-states"
_PICTURE: Final = 44  # pixels
_COLOURS: Final = {UploadState.FAILED: "red", UploadState.RUNNING: "blue"}


@refresh(every=1.0)
def show_queue(monitor_service: MonitorService) -> None:
    """Lists the uploads, the newest first."""
    analyses = monitor_service.analyses.all
    states = {analysis.id: analysis.state for analysis in analyses}
    before = st.session_state.get(_STATES)
    st.session_state[_STATES] = states
    if before is not None and before != states:
        st.rerun()  # the result below belongs to the new state
    titles = titles_of(analyses)
    for analysis in analyses:
        row = st.container(horizontal=True, vertical_alignment="center")
        with row:
            _thumbnail(monitor_service, analysis)
            st.markdown(describe(analysis, title=titles[analysis.id]), width="stretch")
            if analysis.state is UploadState.RUNNING:
                st.progress(analysis.progress or 0.0, width=200)
            if analysis.state is UploadState.DONE and st.button("Show", key=f"show-{analysis.id}"):
                st.session_state[CHOSEN] = analysis.id
                st.rerun()
            _end_button(monitor_service, analysis)


def titles_of(analyses: Sequence[Upload]) -> dict[str, str]:
    """The title of each upload by its id: its name, with the time of the upload if several have this name."""
    names = Counter(analysis.name for analysis in analyses)
    return {
        analysis.id: analysis.name
        if names[analysis.name] == 1
        else f"{analysis.name} (uploaded {datetime.fromisoformat(analysis.created_at):%Y-%m-%d %H:%M:%S} UTC)"
        for analysis in analyses
    }


def describe(analysis: Upload, *, title: str) -> str:
    """Title, state, progress and verdict of an upload, in Markdown."""
    words = f"{analysis.state}"
    if analysis.state is UploadState.RUNNING and analysis.progress is not None:
        words += f", {share(analysis.progress)}"
    verdict = "" if analysis.label is None else badge(analysis.label)
    state = f":{_COLOURS.get(analysis.state, 'gray')}[{words}]"
    return " ".join(filter(None, (f"**{escape(title)}**", state, verdict, escape(analysis.why))))


def _thumbnail(monitor_service: MonitorService, analysis: Upload) -> None:
    """Shows the first key frame of an ended analysis, if it has one."""
    folder = monitor_service.analyses.results(analysis.id) if analysis.state is UploadState.DONE else None
    moment = next(iter(key_frames(folder)), None) if folder is not None else None
    if folder is not None and moment is not None and (folder / moment.clear_file).is_file():
        url = html.escape(address("analyses", analysis.id, moment.clear_file))
        st.html(f'<img src="{url}" alt="" width="{_PICTURE}" style="border-radius:4px">', width="content")


def _end_button(monitor_service: MonitorService, analysis: Upload) -> None:
    """Shows the button that cancels an analysis, or that removes an ended one after a question."""
    is_locked = not has_role(Role.REVIEWER)
    if not analysis.state.over:
        if st.button("Cancel", key=f"Cancel-{analysis.id}", disabled=is_locked) and check_role(Role.REVIEWER):
            audit("analysis cancelled", analysis.name)
            monitor_service.analyses.cancel(analysis.id)
            st.rerun()
        return
    with st.popover("Remove", disabled=is_locked):
        st.markdown(f"Delete {escape(analysis.name)} and its results? Its flags stay.")
        is_pressed = st.button("Delete", key=f"Remove-{analysis.id}", type="primary", disabled=is_locked)
        if is_pressed and check_role(Role.REVIEWER):
            audit("upload removed", analysis.name)
            monitor_service.analyses.remove(analysis.id)
            st.rerun()
