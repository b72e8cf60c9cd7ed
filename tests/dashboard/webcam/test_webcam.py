"""Chromium's fake camera: its pictures arrive, and errors are explained."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.live_page import Server, browsing

pytestmark = pytest.mark.browser
SECONDS = 30_000  # milliseconds that a busy machine may take


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream") as running:
        yield running


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    server.steer(camera=[], camera_running=[], cameras=0, hoard=False, refused="", camera_close=None)
    context = browser.new_context(viewport={"width": 390, "height": 800})
    yield context.new_page()
    context.close()


def start(page: Any, server: Server) -> None:
    page.goto(f"{server.url}/?show=webcam")
    page.get_by_role("button", name="Start the camera").click(timeout=SECONDS)


def wait_for_status(page: Any, text: str) -> None:
    page.get_by_role("status").filter(has_text=text).wait_for(timeout=SECONDS)


def test_pictures_arrive_in_time_and_stop_when_asked(page: Any, server: Server) -> None:
    start(page, server)
    server.until(lambda: len(server.seen()["camera"]) > 20, "pictures arrive")
    pictures = server.seen()["camera"]
    assert {ends for _, _, ends, _ in pictures} == {"ffd8ffffd9"}  # whole JPEGs
    assert all(0 <= received - sent < 5000 for sent, received, _, _ in pictures)
    times = [sent for sent, *_ in pictures]
    assert times == sorted(times)
    assert len(times) / (times[-1] - times[0]) * 1000 < 17  # a second, at most 15 and the timer's grain
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    server.until(lambda: server.seen()["camera_running"][-1], "the page knows that it runs")

    page.get_by_role("button", name="Stop the camera").press("Enter")
    wait_for_status(page, "The camera is off.")
    server.until(lambda: not server.seen()["camera_running"][-1], "the page knows that it stopped")
    assert page.locator(".video").evaluate("v => v.srcObject") is None
    count = len(server.seen()["camera"])
    page.wait_for_timeout(400)
    assert len(server.seen()["camera"]) == count


def test_a_refused_picture_shows_an_error_until_one_is_accepted(page: Any, server: Server) -> None:
    server.steer(refused="the picture is no JPEG")
    start(page, server)
    wait_for_status(page, "The server refused a picture: the picture is no JPEG.")
    server.steer(refused="")
    wait_for_status(page, "its picture is being sent")


def test_at_most_two_pictures_are_unacknowledged(page: Any, server: Server) -> None:
    server.steer(hoard=True)
    start(page, server)
    server.until(lambda: len(server.seen()["camera"]) == 2, "two pictures")
    page.wait_for_timeout(600)
    assert len(server.seen()["camera"]) == 2


def test_reruns_do_not_reconnect_and_a_lost_connection_is_restored(page: Any, server: Server) -> None:
    start(page, server)
    server.until(lambda: len(server.seen()["camera"]) > 2, "pictures arrive")
    runs = server.seen()["runs"]
    page.get_by_role("button", name="Run again").click()
    server.until(lambda: server.seen()["runs"] > runs, "the page ran again")
    assert server.seen()["cameras"] == 1
    server.steer(camera_close=(1011, ""))
    wait_for_status(page, "The connection was lost. Trying again.")
    server.steer(camera_close=None)
    wait_for_status(page, "its picture is being sent")
    assert server.seen()["cameras"] >= 2


@pytest.mark.parametrize(
    ("close", "text"),
    [((4000, "enough"), "Ended: enough. The camera is off."), ((4401, "old token"), "Not allowed: old token.")],
)
def test_the_server_can_stop_the_camera(page: Any, server: Server, close: tuple[int, str], text: str) -> None:
    server.steer(camera_close=close)
    start(page, server)
    wait_for_status(page, text)
    assert page.locator(".video").evaluate("v => v.srcObject") is None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("NotAllowedError", "may not use the camera"),
        ("NotFoundError", "No camera was found"),
        ("NotReadableError", "The camera is busy"),
        ("TypeError", "The camera cannot be used: strange"),
    ],
)
def test_a_camera_error_is_explained(page: Any, server: Server, error: str, text: str) -> None:
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = () =>"
        f" Promise.reject(Object.assign(new Error('strange'), {{ name: '{error}' }}))"
    )
    start(page, server)
    wait_for_status(page, text)
    assert page.get_by_role("button", name="Start the camera").is_enabled()


def test_an_insecure_page_explains_the_missing_camera(page: Any, server: Server) -> None:
    page.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
    page.goto(f"{server.url}/?show=webcam")
    wait_for_status(page, "The browser allows the camera only on https or localhost.")
    assert page.get_by_role("button", name="Start the camera").is_disabled()
