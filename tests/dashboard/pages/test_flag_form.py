"""Flags of an analysed file; tests/dashboard/pages/test_pages.py presses the buttons in a browser."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from support.observations import Face, observation

from monitor.dashboard.player import moment_of
from monitor.media.video_writer import VideoWriter
from monitor.results.timeline import Timeline
from monitor.server import service
from monitor.types import Flag

pytestmark = pytest.mark.usefixtures("own_service")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Two seconds of a face that nobody suspects, with their timeline."""
    with VideoWriter(tmp_path / "annotated.mp4", fps=10) as video:
        for index in range(20):
            video.write(np.full((96, 128, 3), 8 * index, np.uint8), index / 10)
    timeline = Timeline(tmp_path)
    for index in range(0, 20, 4):
        face = Face((10, 20, 50, 70), track=1, log_odds=-2.0 + index / 10)
        timeline.add(observation([face], index=index, media_time=index / 10))
    timeline.close()
    return tmp_path / "annotated.mp4"


def form(film: Path, *, is_brushed: bool) -> AppTest:
    def show(file: str, is_brushed: bool) -> None:
        from pathlib import Path

        import streamlit as st

        from monitor.dashboard.pages.flag_form import flag_form
        from monitor.flags.from_analysis import AnalysedFile, choose_span
        from monitor.server import service

        track = {"track_id": 1, "first_seen": 0.0, "last_seen": 2.0, "reasons": []}
        report = {"source": {"kind": "file", "sha256": "ab" * 32, "duration": 2.0}, "tracks": [track], "settings": {}}
        report |= {"model": {"id": "m", "weights_sha256": "cd" * 32}, "program": {"version": "1"}, "label_changes": []}
        analysed = AnalysedFile(Path(file), "talk.mp4", Path(file).parent, report)
        span = choose_span(analysed, 0.5, 1.5) if is_brushed else None
        flag_frame = flag_form(service.current(), analysed, span, key="a")
        st.button("Frame", on_click=flag_frame, args=(0.45,))

    app = AppTest.from_function(show, args=(str(film), is_brushed), default_timeout=100).run()
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> str:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app.toast[0].value


def flags() -> list[Flag]:
    return service.current().archive.store.find()


def test_a_brushed_span_that_the_program_does_not_suspect_is_flagged_once(film: Path) -> None:
    app = form(film, is_brushed=True)
    assert app.caption[0].value == "Chosen: face 1, 0:00.5 to 0:01.5."
    app.text_input[0].set_value("missed").run()
    assert press(app, "Flag this span") == r"Flagged talk\.mp4 at 0:01.2"
    assert press(app, "Flag this span") == r"talk\.mp4 at 0:01.2 is flagged already"
    (flag,) = flags()
    assert (flag.start, flag.media_time, flag.end, flag.track_id, flag.note) == (0.5, 1.2, 1.5, 1, "missed")


def test_a_single_frame_is_flagged_without_a_chosen_span(film: Path) -> None:
    app = form(film, is_brushed=False)
    assert [button.label for button in app.button] == ["Frame"]
    assert press(app, "Frame") == r"Flagged talk\.mp4 at 0:00.4"
    (flag,) = flags()
    assert (flag.start, flag.end, flag.frame_index, flag.track_id) == (0.0, 2.0, 4, 1)


@pytest.mark.parametrize("sent", [None, {}, {"time": "1"}, {"time": float("nan")}, {"time": -1.0}])
def test_a_browser_must_send_a_valid_moment(sent: object) -> None:
    assert moment_of(sent) is None
    assert moment_of({"time": 3}) == 3.0
