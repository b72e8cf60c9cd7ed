"""The dashboard in a real browser: the real server on the demo stream."""

import json
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from support.dashboard_server import Dashboard
from support.events import analyse_frame
from support.flagging import flag
from support.live_page import browsing
from support.observations import frame, observation, source_info
from support.waiting import until

from monitor.dashboard.pages.flag_list import ListSelection
from monitor.flags.archive import FlagArchive
from monitor.media.sources.demo import HEIGHT, WIDTH, DemoSource
from monitor.media.video_writer import VideoWriter
from monitor.server import service
from monitor.server.auth.user import Role, User
from monitor.server.stream import Stream
from monitor.settings import Settings
from monitor.system import jpeg
from monitor.types import ClipState, Hint, HintKind, Opinion, Origin

ROOT = Path(__file__).parents[3]
SECONDS = 60_000  # milliseconds that a busy machine may take

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="class")
def dashboard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """The server of a class, with the sources of the class."""
    running = Dashboard(tmp_path_factory.mktemp("dashboard") / "evidence", sources=request.cls.SOURCES)
    running.start()
    yield running
    running.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    film = camera_film(tmp_path_factory.mktemp("camera") / "camera.mjpeg")
    fake = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with browsing(*fake, f"--use-file-for-fake-video-capture={film}") as running:
        yield running


@pytest.fixture(scope="class")
def context(browser: Any, dashboard: Dashboard) -> Iterator[Any]:
    """One profile for the tests of a class, which loads the page's scripts once."""
    context = browser.new_context(viewport={"width": 1400, "height": 1100})
    context.set_default_timeout(SECONDS)
    yield context
    context.close()


@pytest.fixture
def page(context: Any, dashboard: Dashboard) -> Iterator[Any]:
    """A fresh tab; it must send requests to the server only, and show no exception."""
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    yield page
    assert page.get_by_test_id("stException").count() == 0, page.get_by_test_id("stException").all_inner_texts()
    foreign = [url for url in requests if not url.startswith((dashboard.url, "data:", "blob:", "ws://127.0.0.1"))]
    assert foreign == []
    page.close()


def top(element: Any) -> float:
    """Pixels between the upper edge of the page and an element."""
    return float(element.first.bounding_box()["y"])


def go(page: Any, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=name, exact=True).wait_for()


def talk(path: Path) -> Path:
    """The demo in nine seconds, a third of its frames: from 3 s to 6 s its face is blended."""
    with VideoWriter(path, fps=25 / 3) as video:
        for frame in islice(DemoSource(9.0), None, None, 3):
            video.write(frame.pixels, frame.media_time)
    return path


def camera_film(path: Path) -> Path:
    """Two seconds of the demo's genuine face, at half size, as Chromium's fake camera takes them, over and over."""
    with path.open("wb") as film:
        for frame in islice(DemoSource(30.0), 0, 50, 2):
            smaller = cv2.resize(frame.pixels, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
            film.write(jpeg.encode(np.asarray(smaller, np.uint8), quality=85))
    return path


@pytest.mark.browser
class TestDemo:
    SOURCES = "demo:"

    def test_the_demo_runs_and_a_flag_can_be_reviewed(self, page: Any, dashboard: Dashboard) -> None:
        page.goto(dashboard.url)
        page.wait_for_selector(".viewer[data-state=live]")
        page.get_by_text("Face 1", exact=True).first.wait_for()
        loaded = "performance.getEntriesByType('resource').some(one => one.name.includes('DataFrame'))"
        page.wait_for_function(loaded)  # Review opens sooner
        assert not page.locator(".st-key-tables").is_visible()
        page.get_by_role("textbox", name="Your name").fill("ada")
        page.get_by_role("textbox", name="Your name").press("Enter")
        page.wait_for_timeout(1000)
        page.locator("canvas.picture, canvas").first.click(position={"x": 5, "y": 5})
        page.keyboard.press("f")
        page.get_by_text("Flagged Demo at").wait_for()
        with FlagArchive(dashboard.folder) as archive:
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
            page.locator(".keys-status").wait_for(state="attached")
            page.locator("h2", has_text="Review").click()
            page.keyboard.press("x")
            reviewed = until(lambda: [flag for flag in archive.store.find() if flag.opinion is Opinion.REAL])
            assert [flag.reviewed_by for flag in reviewed] == ["ada"]
            assert archive.store.count() == before
        page.reload()
        page.get_by_role("heading", name="Review", exact=True).wait_for()

    def test_two_tabs_and_a_phone_show_the_stream(self, page: Any, dashboard: Dashboard) -> None:
        page.goto(dashboard.url)
        page.wait_for_selector(".viewer[data-state=live]")
        small = page.context.new_page()
        small.set_viewport_size({"width": 390, "height": 800})
        small.goto(dashboard.url)
        small.wait_for_selector(".viewer[data-state=live]")
        small.get_by_text("P(fake)").first.wait_for()
        assert top(small.get_by_text("Face 1", exact=True)) < top(small.get_by_text("Your opinion"))
        assert small.evaluate("document.documentElement.scrollWidth") <= 390
        small.close()
        until(lambda: page.locator(".viewer[data-state=live]").count() == 1)

    def test_the_pages_model_and_system_show_thresholds_and_frame_counts(self, page: Any, dashboard: Dashboard) -> None:
        page.goto(f"{dashboard.url}/model")
        page.get_by_role("heading", name="Limits of every verdict").wait_for()
        page.get_by_role("heading", name="Thresholds", exact=True).wait_for()
        go(page, "System")
        page.get_by_text("frames analysed").first.wait_for()


@pytest.mark.browser
class TestOwnMaterial:
    """What a user brings: no source takes the time of the machine."""

    SOURCES = ""

    def test_an_upload_is_analysed_and_shown(self, page: Any, dashboard: Dashboard, tmp_path: Path) -> None:
        page.goto(f"{dashboard.url}/analyse")
        chooser = page.locator("input[type=file]")
        chooser.wait_for(state="attached")
        (tmp_path / "letter.mp4").write_text("no video at all")
        chooser.set_input_files(tmp_path / "letter.mp4")
        page.locator("[role=alert]", has_text="letter.mp4").first.wait_for()
        letters = [tmp_path / f"letter {number}.mp4" for number in range(3)]
        for letter in letters:
            letter.write_text("no video at all")
        chooser.set_input_files(letters)
        for letter in letters:
            page.locator("[role=alert] p", has_text=letter.name).wait_for()
        chooser.set_input_files(talk(tmp_path / "talk.mp4"))
        page.get_by_text("Likely fake: face 1 looks manipulated").wait_for()
        player, at = page.locator("video"), "video => video.readyState >= 1 && video.currentTime"
        until(lambda: player.evaluate("video => video.readyState >= 1 && video.duration > 8"))
        until(lambda: 3 < player.evaluate(at) < 6.5)  # opens on the first moment that is likely fake
        assert "without-heat-map" in player.get_attribute("src")
        page.get_by_test_id("stCheckbox").get_by_text("Heat-map").click()
        page.get_by_text("no better than chance").first.wait_for()
        until(lambda: "without-heat-map" not in player.get_attribute("src"))
        until(lambda: 3 < player.evaluate(at) < 6.5)  # the same moment
        moment = page.get_by_role("button", name="Face 1, 0:0").first
        assert moment.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
        moment.click()
        seconds = float(re.search(r"0:(\d\d\.\d)", moment.get_attribute("aria-label"))[1])  # type: ignore[index]
        until(lambda: abs(player.evaluate(at) - seconds) < 0.06)
        assert 3 <= seconds <= 6.5
        page.get_by_role("button", name="frame ▸").click()
        until(lambda: 0.01 < player.evaluate(at) - seconds < 0.23)
        chart = page.get_by_test_id("stVegaLiteChart").bounding_box()
        page.mouse.click(chart["x"] + 0.5 * chart["width"], chart["y"] + 0.3 * chart["height"])
        until(lambda: 3.5 < player.evaluate(at) < 5.5)
        with page.expect_download() as saved:
            page.get_by_role("link", name="Download timeline.csv").click()
        assert saved.value.suggested_filename == "timeline.csv"
        spans = page.locator(".dvn-scroller").first
        spans.evaluate("table => table.scrollIntoView({ block: 'center' })")
        flag_span = page.get_by_role("button", name="Flag this span")

        def chosen() -> bool:
            spans.click(position={"x": 15, "y": 50})  # lost while the table is still drawn
            page.wait_for_timeout(3000)
            return flag_span.is_visible()

        until(chosen)
        flag_span.click()
        page.get_by_text("Flagged talk.mp4 at").wait_for()
        page.get_by_role("button", name="Flag this span").click()
        page.get_by_text("is flagged already").wait_for()
        with FlagArchive(dashboard.folder) as archive:
            (flag,) = [flag for flag in archive.store.find() if flag.source == "talk.mp4"]
            page.locator("h2", has_text="Analyse").click()
            on_screen = float(player.evaluate("video => video.currentTime"))
            page.keyboard.press("f")
            (frame,) = until(lambda: [one for one in archive.store.find() if one.source == "talk.mp4" and one != flag])
        assert frame.start < frame.media_time <= on_screen < frame.media_time + 0.2
        assert flag.clip is ClipState.KEPT
        assert flag.box is not None
        x1, y1, x2, y2 = flag.box
        assert 300 < x1 < x2 < 650
        assert 90 < y1 < y2 < 450
        page.reload()
        page.get_by_text("talk.mp4").first.wait_for()
        page.set_viewport_size({"width": 390, "height": 800})  # a phone
        verdict = page.get_by_text("Likely fake: face 1 looks manipulated")
        verdict.wait_for()
        until(lambda: top(page.locator("h2")) < top(verdict) < top(page.get_by_role("textbox", name="Your name")))

    def test_the_browsers_own_camera_is_monitored(self, page: Any, dashboard: Dashboard) -> None:
        page.goto(dashboard.url)
        page.get_by_role("textbox", name="Your name").fill("grace")
        page.get_by_role("textbox", name="Your name").press("Enter")
        page.get_by_role("combobox", name="Kind").click()  # open already: there is no source yet
        page.get_by_role("option", name="Camera of this browser").click()
        page.get_by_role("button", name="Start the camera").click()
        page.locator(".viewer[data-state=live]", has_text="Camera of grace").wait_for()
        canvas = page.locator("canvas.canvas")
        until(lambda: "face" in (canvas.get_attribute("aria-label") or "no face").replace("no face", ""))
        page.locator("button.flag").click()
        page.get_by_text("Flagged Camera of grace at").wait_for()
        with FlagArchive(dashboard.folder) as archive:
            (flag,) = [flag for flag in archive.store.find() if flag.source == "Camera of grace"]
            until(lambda: archive.store.get(flag.id).clip is ClipState.KEPT)
        assert flag.track_id is not None
        page.get_by_role("button", name="Remove", exact=True).last.click()
        page.get_by_role("button", name="Remove it").click()
        page.get_by_text("Ended: the source was removed. The camera is off.").wait_for()

    def test_keys_in_quick_succession_judge_the_flag_on_the_screen(self, page: Any, dashboard: Dashboard) -> None:
        watch = """
            window.presses = [];
            window.addEventListener("keydown", (event) =>
                window.presses.push([event.key, document.querySelector("h4")?.textContent ?? "the end"]), true);
        """
        with FlagArchive(dashboard.folder) as archive:
            added = [flag(number, source=f"desk {number}", trace=()) for number in range(5)]
            for one in added:
                archive.store.add(one, actor="ada")
            page.add_init_script(watch)
            page.goto(f"{dashboard.url}/review")
            page.get_by_role("textbox", name="Search").fill("desk")
            page.get_by_role("textbox", name="Search").press("Enter")
            page.locator("h4", has_text="desk 4").wait_for()
            page.get_by_text("Flag 1 of 5").wait_for()
            page.locator(".keys-status").wait_for(state="attached")
            page.locator("h2", has_text="Review").click()
            for number in range(60):
                page.keyboard.press("cxu"[number % 3])
                page.wait_for_timeout(300)
                if page.get_by_text("every flag in it is reviewed").count():
                    break
            page.get_by_text("every flag in it is reviewed").wait_for()
            page.keyboard.press("c")  # behind the last flag
            page.wait_for_timeout(1000)
            on_screen = [(key, title.split(",")[0].strip()) for key, title in page.evaluate("window.presses")]
            letters = {Opinion.FAKE: "c", Opinion.REAL: "x", Opinion.UNSURE: "u"}
            for one in added:
                judged = archive.store.get(one.id)
                assert judged.opinion is not None
                assert (letters[judged.opinion], one.source) in on_screen
                actions = [event.action for event in archive.store.events(one.id)]
                assert actions == ["flagged", "reviewed"], "judged once"
            page.keyboard.press("z")
            page.locator("h4", has_text="desk 0").wait_for()
            assert archive.store.get(added[0].id).reviewed_at is None
            for one in added:
                archive.store.delete(one.id, actor="ada")

    def test_a_click_on_a_row_shows_its_flag_and_ticks_act_on_all_of_them(
        self, page: Any, dashboard: Dashboard
    ) -> None:
        with FlagArchive(dashboard.folder) as archive:
            added = [flag(number, source=f"row {number}", trace=()) for number in range(4)]
            for one in added:
                archive.store.add(one, actor="ada")
            page.set_viewport_size({"width": 1440, "height": 900})
            page.goto(f"{dashboard.url}/review")
            page.get_by_role("textbox", name="Search").fill("row")
            page.get_by_role("textbox", name="Search").press("Enter")
            page.locator("h4", has_text="row 3").wait_for()
            page.get_by_text("Flag 1 of 4").wait_for()
            table = page.locator(".dvn-scroller").first
            assert table.evaluate("table => table.scrollWidth - table.clientWidth") <= 1, "no column is cut"
            row = 35  # pixels, the header too
            table.click(position={"x": 150, "y": 3.5 * row})
            page.locator("h4", has_text="row 1").wait_for()
            for number in (1, 2):
                table.click(position={"x": 15, "y": (number + 0.5) * row})
                page.get_by_text(f"{number} ticked flag").wait_for()
            page.get_by_role("button", name="False alarm (2)").click()
            until(lambda: archive.store.get(added[2].id).opinion is Opinion.REAL)
            page.get_by_text("Flag 1 of 2").wait_for()
            assert [archive.store.get(one.id).opinion for one in added] == [None, None, Opinion.REAL, Opinion.REAL]
            assert page.get_by_text("ticked flag").count() == 0, "the same rows are other flags"
            page.set_viewport_size({"width": 390, "height": 800})  # a phone
            until(lambda: top(page.locator("h2")) < top(page.locator("h4")))
            for field in ("Your name", "Search"):
                assert top(page.locator("h4")) < top(page.get_by_role("textbox", name=field))
            for one in added:
                archive.store.delete(one.id, actor="ada")

    def test_files_need_the_token_of_a_page(self, dashboard: Dashboard) -> None:
        for path in ("export?ids=x", "flags/a/frame.jpg", "analyses/a/report.json?token=guess"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{dashboard.url}/monitor/{path}", timeout=10)  # noqa: S310
            assert refused.value.code == 403
            assert "not allowed" in json.load(refused.value)["error"]


class TestScript:
    """The pages without a browser, on a service without sources."""

    @pytest.fixture(autouse=True)
    def empty(self, tmp_path: Path) -> Iterator[None]:
        opened = service.MonitorService.open(Settings(evidence={"folder": tmp_path / "evidence"}))
        service.install(opened)
        yield
        service.install(None)
        opened.close()

    @staticmethod
    def run(page: str) -> AppTest:
        program = f"from monitor.dashboard.pages import {page}\n{page}.show()"
        app = AppTest.from_string(program, default_timeout=100).run()
        assert not app.exception
        return app

    def test_the_live_page_without_sources_says_so(self) -> None:
        assert "No source is being monitored" in self.run("live").info[0].value

    def test_a_file_of_the_server_is_refused_with_a_sentence(self) -> None:
        app = self.run("live")
        app.text_input[1].set_value("/etc/passwd")
        app.button[0].click().run()
        assert "may not be opened from a browser" in app.error[0].value

    def test_the_review_page_without_flags_says_so(self) -> None:
        assert "No flags found" in self.run("review").info[0].value

    def test_a_flagged_picture_comes_from_a_route_that_remembers_it(self) -> None:
        archive = service.current().archive
        archive.store.add(flag(trace=()), actor="ada")
        folder = archive.files.folder(flag().id)
        folder.mkdir(parents=True)
        (folder / "frame.jpg").write_bytes(b"")
        pictures = [element.proto.body for element in self.run("review").get("html")]
        assert any(f"monitor/flags/{flag().id}/frame.jpg?token=" in picture for picture in pictures)

    def test_a_list_without_flags_says_why(self) -> None:
        store = service.current().archive.store
        store.add(flag(trace=()), actor="ada")
        store.review(flag().id, actor="ada", opinion=Opinion.FAKE)
        app = self.run("review")
        assert "All reviewed: 1 flag." in app.success[0].value
        app.text_input(key="review-text").set_value("nothing like it").run()
        assert app.info[0].value == "No flag matches these filters, of 1 flag in total."

    def test_the_model_card_is_shown(self) -> None:
        app = self.run("model")
        assert "An indication, never proof." in app.warning[0].value
        tables = [table.value.to_string() for table in app.table]
        assert any("newsroom" in table for table in tables)
        assert any("CyberHost" in table and "no better than chance" in table for table in tables)
        assert "EMOPortraits" in app.warning[1].value  # of the generators that it cannot tell

    def test_a_preset_switch_takes_effect_and_is_audited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        written: list[tuple[str, ...]] = []
        monkeypatch.setattr("monitor.dashboard.pages.model.audit", lambda *said: written.append(said))
        app = self.run("model")
        monitor_service = service.current()
        assert app.radio(key="model-preset").value == "balanced"
        app.radio(key="model-preset").set_value("wall").run()
        assert not app.exception
        assert monitor_service.settings.verdict.suspicious_at == 0.9
        assert any("suspicious from P(fake) **0.9**" in text.value for text in app.markdown)
        assert written == [("preset switched", "wall")]

    def test_a_reviewer_may_not_switch_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("monitor.dashboard.pages.current_user.EVERYBODY", User("bob", Role.REVIEWER))
        radio = self.run("model").radio(key="model-preset")
        assert radio.disabled
        assert radio.help == "This action needs the role admin."

    def test_thresholds_in_the_settings_disable_the_presets(self) -> None:
        monitor_service = service.current()
        verdict = monitor_service.settings.verdict.model_copy(update={"suspicious_at": 0.85})
        monitor_service.settings = monitor_service.settings.model_copy(update={"verdict": verdict})
        radio = self.run("model").radio(key="model-preset")
        assert (radio.disabled, radio.value) == (True, None)

    def test_flags_are_filtered_by_origin(self) -> None:
        store = service.current().archive.store
        for number, origin in enumerate([Origin.PERSON, Origin.AUTOMATIC, Origin.AUTOMATIC]):
            store.add(flag(number, origin=origin, trace=()), actor="ada")
        app = self.run("review")
        assert len(app.dataframe[0].value) == 3
        assert len(app.table) == 1, "the log of the shown flag"
        app.toggle(key="review-as-text").set_value(True).run()
        assert list(app.table[0].value["shown"]) == ["shown", "", ""]
        assert set(app.table[0].value["flagged by"]) == {"ada", "the program"}
        app.selectbox(key="review-origin").set_value("the program").run()
        assert not app.exception
        assert list(app.dataframe[0].value["flagged by"]) == ["the program"] * 2
        app.selectbox(key="review-origin").set_value("people").run()
        assert list(app.dataframe[0].value["flagged by"]) == ["ada"]

    @staticmethod
    def press(app: AppTest, letter: str) -> None:
        next(button for button in app.button if (button.key or "").startswith(f"review-{letter}-")).click().run()
        assert not app.exception

    def test_the_end_of_the_list_is_shown_and_the_last_flag_is_not_judged_again(self) -> None:
        store = service.current().archive.store
        for number in range(2):
            store.add(flag(number, source=f"cam {number}", trace=()), actor="ada")
        app = self.run("review")
        app.selectbox(key="review-state").set_value("all").run()
        assert any("cam 1, " in text.value for text in app.markdown)
        assert "Flag 1 of 2" in [text.value for text in app.caption]
        self.press(app, "c")
        assert "Flag 2 of 2, the last one" in [text.value for text in app.caption]
        self.press(app, "x")
        assert "This is the end of the list" in app.success[0].value
        assert [store.get(flag(number).id).opinion for number in range(2)] == [Opinion.REAL, Opinion.FAKE]
        buttons = {(button.key or "").split("-")[1]: button for button in app.button if "review" in (button.key or "")}
        assert buttons.keys() == {"j", "k", "z"}
        assert buttons["j"].disabled
        self.press(app, "k")
        assert any("cam 0, " in text.value for text in app.markdown)
        self.press(app, "j")
        store.add(flag(2, source="cam 2", trace=()), actor="ada")
        app.run()
        assert any("cam 2, " in text.value for text in app.markdown), "a new flag follows the end"

    def test_undo_restores_the_earlier_judgement_and_shows_its_flag(self) -> None:
        store = service.current().archive.store
        for number in range(2):
            store.add(flag(number, source=f"cam {number}", trace=()), actor="ada")
        before = store.review(flag(1).id, actor="grace", opinion=Opinion.UNSURE, note="hm")
        app = self.run("review")
        app.selectbox(key="review-state").set_value("all").run()
        assert next(button for button in app.button if "Undo" in button.label).disabled
        app.text_area(key=f"note-{before.id}").set_value("blended").run()
        self.press(app, "c")
        assert (store.get(before.id).opinion, store.get(before.id).note) == (Opinion.FAKE, "blended")
        self.press(app, "x")
        self.press(app, "z")
        assert store.get(flag(0).id).reviewed_at is None
        self.press(app, "z")
        assert store.get(before.id) == before
        assert app.text_area(key=f"note-{before.id}").value == "hm"
        assert [event.action for event in store.events(before.id)] == ["flagged", "reviewed", "reviewed", "undone"]
        assert any("cam 1, " in text.value for text in app.markdown)
        assert next(button for button in app.button if "Undo" in button.label).disabled

    def test_one_undo_restores_all_flags_of_one_action(self, monkeypatch: pytest.MonkeyPatch) -> None:
        store = service.current().archive.store
        for number in range(3):
            store.add(flag(number, source=f"cam {number}", trace=()), actor="ada")
        app = self.run("review")
        self.press(app, "c")  # cam 2
        ticked = ListSelection(tuple(store.get(flag(number).id) for number in range(2)), None)
        monkeypatch.setattr("monitor.dashboard.pages.review.read_selection", lambda flags: ticked)
        app.run()
        app.button(key="bulk-real").click().run()
        assert [store.get(flag(number).id).opinion for number in range(3)] == [Opinion.REAL] * 2 + [Opinion.FAKE]
        self.press(app, "z")
        assert [store.get(flag(number).id).opinion for number in range(3)] == [None, None, Opinion.FAKE]
        assert app.toast[0].value == "Undone: 2 reviews"
        self.press(app, "z")
        assert store.get(flag(2).id).reviewed_at is None

    def test_a_review_that_another_person_changed_is_not_undone(self) -> None:
        store = service.current().archive.store
        store.add(flag(trace=()), actor="ada")
        app = self.run("review")
        self.press(app, "c")
        assert "every flag in it is reviewed" in app.success[0].value
        other = store.review(flag().id, actor="grace", opinion=Opinion.REAL)
        self.press(app, "z")
        assert "grace reviewed it since" in app.toast[0].value
        assert store.get(flag().id) == other

    def test_a_clip_states_its_real_span(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("monitor.dashboard.pages.review.absolute", lambda *_: "https://monitor/clip.mp4")
        store = service.current().archive.store
        kept = {"clip": ClipState.KEPT, "clip_start": 12.5, "clip_end": 14.0}
        store.add(flag(trace=(), **kept), actor="ada")
        app = self.run("review")
        assert "0:12.5 to 0:14.0" in [text.value for text in app.caption]
        assert app.warning[0].value == (
            "About this clip: it does not contain the flagged moment 0:12.0, "
            "it is shorter than the requested 0:10.0 to 0:14.0."
        )

    def test_the_system_page_shows_a_failed_heartbeat_and_the_deletion_rules(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monitor_service = service.current()
        assert any("No heartbeat yet" in info.value for info in self.run("system").info)
        assert monitor_service.heartbeat.beat().healthy
        assert any("scores as" in success.value for success in self.run("system").success)
        monkeypatch.setattr("monitor.runtime.heartbeat.TOLERANCE", -1.0)
        monitor_service.heartbeat.beat()
        app = self.run("system")
        assert any("trust no verdict" in error.value for error in app.error)
        classes = app.table[0].value.replace(r"\\", "", regex=True)
        assert list(classes["class"]) == ["unreviewed", "false alarm", "kept"]
        assert list(classes["deleted"]) == ["never: neither an age limit nor a quota is set"] * 2 + [
            "never automatically"
        ]

    def test_a_source_is_removed_after_a_question(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Stream, "start", lambda stream: None)
        stream = service.current().add("demo:", name="the *door*")
        app = self.run("live")
        assert "Stop monitoring the \\*door\\*? Its flags stay." in [text.value for text in app.markdown]
        buttons = [button for button in app.button if (button.key or "").endswith(stream.id)]
        assert [button.label for button in buttons] == ["Pause", "Save", "Remove it"], "words, not icons"
        assert not any(button.icon for button in app.button)
        buttons[-1].click().run()
        assert not service.current().streams

    def test_an_address_is_shown_as_it_is_and_a_new_name_reaches_the_review(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Stream, "start", lambda stream: None)
        now = service.current()
        stream = now.add("rtsp://admin:secret@cam/live*one*")
        now.archive.store.add(flag(source=stream.address, trace=()), actor="ada")
        masked = r"rtsp\:\/\/admin\:\*\*\*\@cam\/live\*one\*"
        assert any(masked in text.value for text in self.run("live").markdown)
        assert any(f"#### {masked}, " in text.value for text in self.run("review").markdown)
        now.rename(stream, "Front *door*")
        app = self.run("review")
        assert any(r"#### Front \*door\*, " in text.value for text in app.markdown)
        assert list(app.dataframe[0].value["source"]) == ["Front *door*"]
        assert any(masked in text.value for text in app.caption), "the evidence names the address"
        app.text_input(key="review-text").set_value("front *D").run()
        assert list(app.dataframe[0].value["source"]) == ["Front *door*"], "the present name is found"
        app.text_input(key="review-text").set_value("front doors").run()
        assert not app.dataframe

    def test_a_hint_is_shown_beside_the_source_and_its_markdown_is_escaped(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Stream, "start", lambda stream: None)
        stream = service.current().add("demo:")
        hints = (Hint(HintKind.FROZEN, 12.0), Hint(HintKind.VIRTUAL_CAMERA, 0.0, None, "**Cam** [x](//y)"))
        analyse_frame(stream.broadcaster, frame(np.zeros((90, 160, 3), np.uint8)), replace(observation(), hints=hints))
        hints_shown = [text.value for text in self.run("live").markdown if "stream:" in text.value]
        assert hints_shown == [
            ":violet-badge[:material/sensors_off: stream: frozen since 0:12.0]",
            r":violet-badge[:material/sensors_off: stream: virtual camera since 0:00.0] \*\*Cam\*\* \[x\]\(\/\/y\)",
        ]

    def test_a_note_on_the_source_is_shown_on_the_live_page(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Stream, "start", lambda stream: None)
        stream = service.current().add("demo:")
        status = replace(stream.status, info=source_info(notes=("HDR (PQ), converted",)))
        monkeypatch.setattr(Stream, "status", property(lambda stream: status))
        shown = [text.value for text in self.run("live").markdown]
        assert r":gray-badge[:material/info: source] HDR \(PQ\)\, converted" in shown

    def test_a_busy_machine_is_reported_on_both_pages(self) -> None:
        monitor_service = service.current()
        monitor_service.load.level = 4
        said = (
            "The machine is busy: of each live source at most 10 frames/s, "
            "of each face at most 2.0 scores/s, where nobody is seen 2.0 searches/s."
        )
        assert any(said == warning.value for warning in self.run("system").warning)
        stream = monitor_service.add("demo:")
        deadline = time.monotonic() + 60
        while stream.status.stats is None:
            assert time.monotonic() < deadline, stream.status
            time.sleep(0.05)
        assert any(said == warning.value for warning in self.run("live").warning)

    def test_the_system_page_counts_the_flags(self) -> None:
        assert any(metric.label == "Flags" and metric.value == "0" for metric in self.run("system").metric)
