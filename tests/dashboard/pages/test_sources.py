"""The list of sources beside the page, and the page itself, when there are many."""

from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest
from support.fake_streams import FakeSupervisor, publisher, supervisors

from monitor import api
from monitor.dashboard.pages.sources import LISTED, choose_listed
from monitor.server.service import MonitorService
from monitor.server.stream import Stream
from monitor.settings import DashboardSettings
from monitor.types import Label

MANY = 40


@pytest.fixture
def many(own_service: MonitorService, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Stream]]:
    """Many sources that publish what a test asks for."""
    monkeypatch.setattr(api, "supervise", FakeSupervisor)
    own_service.settings = own_service.settings.model_copy(update={"dashboard": DashboardSettings(max_sources=MANY)})
    streams = [own_service.add(f"rtsp://127.0.0.1/{number}", name=f"Camera {number:02d}") for number in range(MANY)]
    yield streams
    for stream in streams:
        own_service.remove(stream.id)


def show_face(stream: Stream, label: Label) -> None:
    """One frame with a face of this label."""
    supervisor = supervisors[stream.address]
    supervisor.events(*supervisor.frame(is_change=label is Label.SUSPICIOUS))


def run(page: str) -> AppTest:
    app = AppTest.from_string(f"from monitor.dashboard.pages import {page}\n{page}.show()", default_timeout=100).run()
    assert not app.exception
    return app


def listed(app: AppTest) -> list[str]:
    return [text.value.partition("  ")[0].strip("*") for text in app.markdown if text.value.startswith("**Camera")]


def test_few_sources_are_all_listed_in_their_order(many: list[Stream]) -> None:
    assert choose_listed(many[:LISTED], words="nothing like it", suspicious=()) == many[:LISTED]


def test_of_many_sources_the_suspicious_and_then_the_silent_ones_come_first(many: list[Stream]) -> None:
    many[30].pause()
    found = choose_listed(many, words="", suspicious={many[20].id})
    assert found == [many[20], many[30], *many[: LISTED - 2]]


def test_words_find_a_source_of_many(many: list[Stream]) -> None:
    assert choose_listed(many, words=" camera 3", suspicious=()) == many[30:]


def test_the_live_page_lists_the_urgent_ones_of_many_sources_and_finds_the_others(many: list[Stream]) -> None:
    show_face(many[25], Label.SUSPICIOUS)
    app = run("live")
    assert listed(app) == ["Camera 25", *(f"Camera {number:02d}" for number in range(LISTED - 1))]
    assert f"{LISTED} of {MANY} sources: suspicious ones first" in " ".join(text.value for text in app.caption)
    app.text_input(key="find-source").set_value("39").run()
    assert listed(app) == ["Camera 39"]
    assert app.selectbox(key="watched").options[-1] == "Camera 39"


def test_the_pictures_of_many_sources_come_page_by_page(many: list[Stream], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("monitor.dashboard.pages.live._picture", lambda stream, primary: shown.append(stream.name))
    app = run("live")
    shown.clear()
    app.toggle(key="grid").set_value(True).run()
    assert shown == [f"Camera {number:02d}" for number in range(LISTED)]
    shown.clear()
    app.number_input(key="grid-page").set_value(4).run()
    assert shown == [f"Camera {number:02d}" for number in range(3 * LISTED, MANY)]


def test_the_system_page_shows_the_sources_without_a_picture_of_many(many: list[Stream]) -> None:
    many[33].pause()
    app = run("system")
    assert listed(app)[0].startswith("Camera 33")
    assert len(listed(app)) == LISTED


def test_the_list_of_few_sources_asks_for_no_words(
    own_service: MonitorService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "supervise", FakeSupervisor)
    streams = [own_service.add(f"rtsp://127.0.0.1/{number}", name=f"Camera {number}") for number in range(2)]
    app = run("live")
    assert listed(app) == ["Camera 0", "Camera 1"]
    assert "find-source" not in {field.key for field in app.text_input}
    for stream in streams:
        own_service.remove(stream.id)
    assert not any(publisher._streams)
