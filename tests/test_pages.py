"""The dashboard as people see it: the real server on the demo stream, in a real browser."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_page import browsing
from streamlit.testing.v1 import AppTest

from monitor.dashboard import station
from monitor.evidence.archive import Archive
from monitor.evidence.video import AnnotatedVideo
from monitor.settings import Settings
from monitor.source import demo_faces
from monitor.types import ClipState, Opinion, Origin

ROOT = Path(__file__).parent.parent
SECONDS = 60_000  # milliseconds that a busy machine may take

pytestmark = pytest.mark.timeout(300)


class Dashboard:
    """The server as ``make run`` starts it, with flags of its own."""

    def __init__(self, folder: Path, *, demo_seconds: int = 10) -> None:
        self.folder, self._demo_seconds = folder, demo_seconds
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder.parent / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = os.environ | {
            "DEEPFAKE_MONITOR_EVIDENCE__FOLDER": str(self.folder),
            "DEEPFAKE_MONITOR_EVIDENCE__POST_ROLL": "1",
            "DEEPFAKE_MONITOR_EVIDENCE__PRE_ROLL": "1",
            "DEEPFAKE_MONITOR_SOURCE__DEMO_SECONDS": str(self._demo_seconds),
        }
        command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1):  # noqa: S310
                    return
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
                time.sleep(0.1)
        raise AssertionError(self._log.read_text())

    def end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(60)


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    running = Dashboard(tmp_path_factory.mktemp("dashboard") / "evidence")
    running.start()
    yield running
    running.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing() as running:
        yield running


@pytest.fixture
def page(browser: Any, dashboard: Dashboard) -> Iterator[Any]:
    """A fresh tab; it must ask nobody but the server, and meet no error."""
    context = browser.new_context(viewport={"width": 1400, "height": 1100})
    context.set_default_timeout(SECONDS)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    yield page
    assert page.get_by_test_id("stException").count() == 0, page.get_by_test_id("stException").all_inner_texts()
    strangers = [url for url in asked if not url.startswith((dashboard.url, "data:", "blob:", "ws://127.0.0.1"))]
    assert strangers == []
    context.close()


def until(holds: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    """What it says once it says anything."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def go(page: Any, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=name, exact=True).wait_for()


def small_video(path: Path) -> Path:
    """Two seconds of the demo's genuine face."""
    pixels = np.ascontiguousarray(demo_faces()[0])
    with AnnotatedVideo(path, fps=10) as video:
        for index in range(20):
            video.write(pixels, index / 10)
    return path


@pytest.mark.browser
class TestBrowser:
    def test_the_demo_runs_and_what_is_flagged_can_be_reviewed(self, page: Any, dashboard: Dashboard) -> None:
        page.goto(dashboard.url)
        page.wait_for_selector(".viewer[data-state=live]")
        page.get_by_text("Face 1", exact=True).first.wait_for()
        page.get_by_role("textbox", name="Your name").fill("ada")
        page.get_by_role("textbox", name="Your name").press("Enter")
        page.wait_for_timeout(1000)
        page.locator("canvas.picture, canvas").first.click(position={"x": 5, "y": 5})
        page.keyboard.press("f")
        page.get_by_text("Flagged Demo at").wait_for()
        with Archive(dashboard.folder) as archive:
            flags = [flag for flag in archive.store.find() if flag.origin is Origin.PERSON]
            assert [flag.reporter for flag in flags] == ["ada"], "committed before the toast"
            until(lambda: archive.store.get(flags[0].id).clip is ClipState.KEPT)
            until(lambda: archive.store.count() > len(flags), seconds=40)  # the blend flags itself
            assert archive.faults() == []
            go(page, "Review")
            page.get_by_role("combobox", name="Order").click()
            page.get_by_role("option", name="newest").click()
            clip = page.locator("video")
            clip.wait_for()
            until(lambda: clip.evaluate("video => video.readyState >= 1 && video.duration > 0.5"))
            before = archive.store.count()
            page.locator("h2", has_text="Review").click()
            page.keyboard.press("x")
            reviewed = until(lambda: [flag for flag in archive.store.find() if flag.opinion is Opinion.REAL])
            assert [flag.reviewed_by for flag in reviewed] == ["ada"]
            assert archive.store.count() == before
        page.reload()
        page.get_by_role("heading", name="Review", exact=True).wait_for()

    def test_an_upload_is_analysed_and_shown(self, page: Any, dashboard: Dashboard, tmp_path: Path) -> None:
        page.goto(f"{dashboard.url}/analyse")
        chooser = page.locator("input[type=file]")
        chooser.wait_for(state="attached")
        (tmp_path / "letter.mp4").write_text("no video at all")
        chooser.set_input_files(tmp_path / "letter.mp4")
        page.locator("[role=alert]", has_text="letter.mp4").first.wait_for()
        chooser.set_input_files(small_video(tmp_path / "face.mp4"))
        page.get_by_text("An indication, not proof.").wait_for()
        player = page.locator("video")
        player.wait_for()
        until(lambda: player.evaluate("video => video.readyState >= 1 && video.duration > 1"))
        page.reload()
        page.get_by_text("face.mp4").first.wait_for()

    def test_the_other_pages_say_who_judges_and_how_it_is_doing(self, page: Any, dashboard: Dashboard) -> None:
        page.goto(f"{dashboard.url}/model")
        page.get_by_text("What no verdict can say").wait_for()
        page.get_by_text("Which threshold?").wait_for()
        go(page, "System")
        page.get_by_text("frames analysed").first.wait_for()

    def test_two_tabs_and_a_phone(self, page: Any, dashboard: Dashboard, browser: Any) -> None:
        page.goto(dashboard.url)
        page.wait_for_selector(".viewer[data-state=live]")
        phone = browser.new_context(viewport={"width": 390, "height": 800})
        small = phone.new_page()
        small.goto(dashboard.url)
        small.wait_for_selector(".viewer[data-state=live]", timeout=SECONDS)
        assert small.evaluate("document.documentElement.scrollWidth") <= 390
        phone.close()
        assert page.locator(".viewer[data-state=live]").count() == 1

    def test_no_page_no_files(self, dashboard: Dashboard) -> None:
        for path in ("export?ids=x", "flags/a/frame.jpg", "analyses/a/report.json?token=guess"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{dashboard.url}/monitor/{path}", timeout=10)  # noqa: S310
            assert refused.value.code == 403
            assert "not allowed" in json.load(refused.value)["error"]


class TestScript:
    """The pages without a browser, on a station that watches nothing."""

    @pytest.fixture(autouse=True)
    def empty(self, tmp_path: Path) -> Iterator[None]:
        opened = station.Station.open(Settings(evidence={"folder": tmp_path / "evidence"}))
        station.install(opened)
        yield
        station.install(None)
        opened.close()

    @staticmethod
    def run(page: str) -> AppTest:
        program = f"from monitor.dashboard.pages import {page}\n{page}.show()"
        app = AppTest.from_string(program, default_timeout=100).run()
        assert not app.exception
        return app

    def test_nothing_is_watched(self) -> None:
        assert "Nothing is watched" in self.run("live").info[0].value

    def test_a_file_of_the_server_is_refused_in_words(self) -> None:
        app = self.run("live")
        app.text_input[1].set_value("/etc/passwd")
        app.button[0].click().run()
        assert "may not be opened from a browser" in app.error[0].value

    def test_no_flags(self) -> None:
        assert "No flags here" in self.run("review").info[0].value

    def test_the_card_is_shown(self) -> None:
        app = self.run("model")
        assert "An indication, never proof." in app.warning[0].value
        assert any("newsroom" in table.value.to_string() for table in app.dataframe)

    def test_the_machine(self) -> None:
        assert any(metric.label == "Flags" and metric.value == "0" for metric in self.run("system").metric)
