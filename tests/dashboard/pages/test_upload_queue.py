"""The queue of uploads; tests/dashboard/pages/test_pages.py uploads files in a browser."""

import pytest
from streamlit.testing.v1 import AppTest

from monitor.dashboard.pages.upload_queue import describe
from monitor.server import service
from monitor.server.service import MonitorService
from monitor.server.uploads import Upload, UploadState
from monitor.types import Label

AT = "2026-11-29T12:00:00+00:00"


@pytest.mark.parametrize(
    ("upload", "text"),
    [
        (Upload("a", "a_*b.mp4", AT), r"**a\_\*b\.mp4** :gray[queued]"),
        (Upload("a", "a", AT, UploadState.RUNNING, progress=0.426), "**a** :blue[running, 43 %]"),
        (Upload("a", "a", AT, UploadState.RUNNING), "**a** :blue[running]"),
        (
            Upload("a", "a", AT, UploadState.DONE, label=Label.SUSPICIOUS),
            "**a** :gray[done] :orange-badge[:material/warning: suspicious]",
        ),
        (Upload("a", "a", AT, UploadState.FAILED, why="no picture"), "**a** :red[failed] no picture"),
    ],
)
def test_an_upload_has_state_percentage_and_verdict(upload: Upload, text: str) -> None:
    assert describe(upload, title=upload.name) == text


@pytest.fixture
def ended(own_service: MonitorService) -> Upload:
    upload = Upload("ended", "talk.mp4", AT, UploadState.DONE)
    own_service.analyses._uploads[upload.id] = upload
    return upload


def test_an_upload_is_removed_after_a_question(ended: Upload) -> None:
    def show() -> None:
        from monitor.dashboard.pages.upload_queue import show_queue
        from monitor.server import service

        show_queue(service.current())

    app = AppTest.from_function(show, default_timeout=60).run()
    assert not app.exception
    assert "Delete talk\\.mp4 and its results? Its flags stay." in [text.value for text in app.markdown]
    assert [button.label for button in app.button] == ["Show", "Delete"]
    app.button(key=f"Remove-{ended.id}").click().run()
    assert not app.exception
    assert service.current().analyses.all == []
