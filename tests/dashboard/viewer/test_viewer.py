"""The viewer in a real browser: its pixels, its messages to the server, and its recovery from failures."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.live_page import FAKE, GREY, HEIGHT, SMALL, TOKEN, WIDTH, Server, browsing

from monitor.dashboard.viewer import moment_of
from monitor.overlay.heat import FAKE_RGB, REAL_RGB
from monitor.overlay.outlines import OUTLINES
from monitor.types import Label

browser_test = pytest.mark.browser
SECONDS = 30_000  # milliseconds that a busy machine may take
LEFT, RIGHT = (130.0, 200.0), (190.0, 200.0)  # frame pixels: inside face 3, where evidence is +4 and -4
BACKGROUND = (300.0, 320.0)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing() as running:
        yield running


@pytest.fixture(scope="module")
def page(browser: Any, server: Server) -> Iterator[Any]:
    """One page for all tests: it must still work after each of them."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, device_scale_factor=2)
    page = context.new_page()
    page.goto(server.url)
    wait_for_state(page, "live")
    yield page
    context.close()


@pytest.fixture
def live(page: Any, server: Server) -> Any:
    """The live page with its initial options."""
    server.steer(held=False, scene="two", close=None, flags=[], returned=[])
    wait_for_state(page, "live")
    for name in ("heat", "boxes"):
        page.locator(f".{name}").check()
    page.locator(".opacity").fill("50")
    click_at(page, BACKGROUND)
    return page


def wait_for_state(page: Any, state: str) -> None:
    page.wait_for_selector(f".viewer[data-state={state}]", timeout=SECONDS)


def shown(page: Any) -> int:
    return int(page.locator(".canvas").get_attribute("data-frame"))


def hold(page: Any, server: Server) -> int:
    """Stops the stream; returns the index of the frame on the canvas."""
    server.steer(held=True)
    previous = -1
    while previous != shown(page):
        previous = shown(page)
        page.wait_for_timeout(250)
    return previous


def pixel(page: Any, at: tuple[float, float]) -> tuple[int, int, int]:
    """The canvas's colour at a point of the frame."""
    script = """(canvas, [x, y]) => {
        const at = [Math.floor(x * canvas.width), Math.floor(y * canvas.height)];
        return [...canvas.getContext("2d").getImageData(...at, 1, 1).data].slice(0, 3);
    }"""
    return tuple(page.locator(".canvas").evaluate(script, [at[0] / WIDTH, at[1] / HEIGHT]))


def until_pixel(page: Any, server: Server, at: tuple[float, float], colour: tuple[float, ...]) -> None:
    server.until(lambda: pixel(page, at) == pytest.approx(colour, abs=8), f"{colour} at {at}", 10)


def mixed(colour: tuple[int, int, int], opacity: float) -> tuple[float, ...]:
    return tuple(GREY + (band - GREY) * opacity for band in colour)


def click_at(page: Any, at: tuple[float, float]) -> None:
    box = page.locator(".canvas").bounding_box()
    page.locator(".canvas").click(position={"x": at[0] * box["width"] / WIDTH, "y": at[1] * box["height"] / HEIGHT})


def focused(page: Any) -> str:
    return page.evaluate(
        "() => { let at = document.activeElement;"
        " while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;"
        " return at?.className ?? ''; }"
    )


@browser_test
def test_frames_advance_and_every_one_is_acknowledged(live: Any, server: Server) -> None:
    before = shown(live)
    server.until(lambda: shown(live) > before + 5, "frames advance")
    hold(live, server)
    seen = server.seen()
    assert seen["acknowledged"][-1] == seen["index"] == shown(live)
    assert len(seen["acknowledged"]) == len(set(seen["acknowledged"]))
    assert seen["answers"][-1] == [1, True], "it is told what was drawn"
    assert live.locator(".status").text_content() == "live"


@browser_test
def test_the_canvas_has_the_screens_own_resolution(live: Any) -> None:
    pixels, shape = live.locator(".canvas").evaluate("c => [[c.width, c.clientWidth], [c.width / c.height]]")
    assert pixels[0] == pytest.approx(2 * pixels[1], abs=2)
    assert shape[0] == pytest.approx(WIDTH / HEIGHT, rel=0.01)


@browser_test
def test_outlines_lie_on_the_boxes_in_the_overlays_colours(live: Any, server: Server) -> None:
    x1, y1, x2, y2 = FAKE
    edge = (x2 - 0.5, 130.0)
    for at in ((x1, (y1 + y2) / 2), edge, ((x1 + x2) / 2, y2)):
        until_pixel(live, server, at, OUTLINES[Label.LIKELY_FAKE].rgb)
    left, top, right, _ = SMALL
    gap = (left + (right - left) * 0.13, top)  # dashes take 6 % of a side, every 18.8 %
    until_pixel(live, server, (left + (right - left) * 0.03, top), OUTLINES[Label.NOT_ENOUGH_EVIDENCE].rgb)
    until_pixel(live, server, gap, (GREY, GREY, GREY))
    live.locator(".boxes").uncheck()
    until_pixel(live, server, edge, mixed(REAL_RGB, 0.5))
    until_pixel(live, server, (left + (right - left) * 0.03, top), (GREY, GREY, GREY))


@browser_test
def test_the_heat_map_is_signed_and_follows_its_controls(live: Any, server: Server) -> None:
    until_pixel(live, server, LEFT, mixed(FAKE_RGB, 0.5))
    until_pixel(live, server, RIGHT, mixed(REAL_RGB, 0.5))
    until_pixel(live, server, (160.0, 200.0), (GREY, GREY, GREY))  # between + and - is nothing, not purple
    live.locator(".opacity").fill("100")
    until_pixel(live, server, LEFT, FAKE_RGB)
    live.locator(".heat").uncheck()
    until_pixel(live, server, LEFT, (GREY, GREY, GREY))
    assert live.locator(".opacity").is_disabled()


@browser_test
def test_the_heat_map_is_off_at_first_and_states_its_limits(live: Any, server: Server) -> None:
    fresh = live.context.new_page()
    fresh.goto(server.url)
    wait_for_state(fresh, "live")
    limits = fresh.get_by_text("no better than chance")
    assert not fresh.locator(".heat").is_checked()
    assert (limits.is_visible(), fresh.locator(".legend").is_visible()) == (False, False)
    until_pixel(fresh, server, LEFT, (GREY, GREY, GREY))
    fresh.locator(".heat").check()
    until_pixel(fresh, server, LEFT, mixed(FAKE_RGB, 0.5))
    assert (limits.is_visible(), fresh.locator(".legend").is_visible()) == (True, True)
    fresh.close()


@browser_test
def test_controls_work_while_no_frame_comes(live: Any, server: Server) -> None:
    hold(live, server)
    live.locator(".heat").uncheck()
    until_pixel(live, server, LEFT, (GREY, GREY, GREY))
    live.wait_for_selector(".viewer[data-state=quiet]", timeout=SECONDS)
    assert "no new picture for" in live.locator(".state").text_content()


@browser_test
@pytest.mark.parametrize("how", ["button", "key", "enter"])
def test_a_flag_contains_the_moment_on_the_canvas(live: Any, server: Server, how: str) -> None:
    frame = hold(live, server)
    if how == "button":
        live.get_by_role("button", name="Flag", exact=False).first.click()
    elif how == "key":
        live.locator("body").press("f")
    else:
        live.locator(".flag").press("Enter")
    assert live.locator(".flag-word").text_content() == "Flagged"
    server.until(lambda: server.seen()["returned"], "the flag is returned")
    seen = server.seen()
    assert seen["flags"] == seen["returned"] == [{"connection": 1, "frame": frame, "time": frame / 25, "track": None}]
    server.until(lambda: live.locator(".flag-word").text_content() == "Flag", "the button shows its normal text again")


@browser_test
def test_the_moment_is_that_of_the_press_not_of_the_release(live: Any, server: Server) -> None:
    box = live.locator(".flag").bounding_box()
    live.mouse.move(box["x"] + 20, box["y"] + 10)
    before = shown(live)
    live.mouse.down()
    after = shown(live)
    server.until(lambda: shown(live) > after + 3, "frames advance under the pressed button")
    live.mouse.up()
    server.until(lambda: server.seen()["flags"], "the flag arrives")
    assert before <= server.seen()["flags"][0]["frame"] <= after


@browser_test
def test_the_flag_key_types_a_letter_in_a_text_field(live: Any, server: Server) -> None:
    note = live.get_by_label("Note")
    note.fill("")
    note.press_sequentially("fff")
    assert note.input_value() == "fff"
    live.locator(".heat").press("f")  # a checkbox is not written in
    server.until(lambda: server.seen()["flags"], "one flag")
    assert len(server.seen()["flags"]) == 1


@browser_test
def test_a_click_selects_a_face_and_the_flag_contains_its_id(live: Any, server: Server) -> None:
    click_at(live, LEFT)
    assert live.locator(".subject").text_content() == "Face 3"
    x1, _, _, y2 = FAKE
    unit = max(1.0, live.locator(".canvas").evaluate("c => c.clientHeight") / 420)
    away = 5 * unit * HEIGHT / live.locator(".canvas").evaluate("c => c.clientHeight")
    until_pixel(live, server, (x1 - away, y2 - 40), (255, 255, 255))
    live.locator("body").press("f")
    server.until(lambda: server.seen()["flags"], "the flag arrives")
    assert server.seen()["flags"][0]["track"] == 3
    click_at(live, BACKGROUND)
    assert live.locator(".subject").text_content() == "Whole picture"


@browser_test
def test_a_face_can_be_selected_without_a_mouse_and_is_deselected_when_it_leaves(live: Any, server: Server) -> None:
    texts = []
    for _ in range(3):
        live.locator(".subject").press("Enter")
        texts.append(live.locator(".subject").text_content())
    assert texts == ["Face 3", "Face 5", "Whole picture"]
    live.locator(".subject").press("Enter")
    server.steer(scene="empty")
    server.until(lambda: live.locator(".subject").text_content() == "Whole picture", "no face is left")
    live.locator("body").press("f")
    server.until(lambda: server.seen()["flags"], "the flag arrives")
    assert server.seen()["flags"][0]["track"] is None


@browser_test
def test_the_canvas_has_a_description_for_screen_readers(live: Any, server: Server) -> None:
    canvas = live.get_by_role(
        "img", name="2 faces: face 3 likely fake 92 %, face 5 not enough evidence (face too small)"
    )
    canvas.wait_for(timeout=SECONDS)
    server.steer(scene="empty")
    live.get_by_role("img", name="no face").wait_for(timeout=SECONDS)
    assert live.get_by_role("group", name="Entrance camera").count() == 1


@browser_test
def test_the_tab_key_reaches_all_controls_in_order(live: Any) -> None:
    live.locator(".flag").focus()
    reached = [focused(live)]
    for _ in range(5):
        live.keyboard.press("Tab")
        reached.append(focused(live))
    assert reached == ["flag", "subject", "heat", "opacity", "boxes", "full"]
    live.locator(".opacity").press("ArrowRight")
    assert live.locator(".opacity").get_attribute("aria-valuetext") == "55 %"


@browser_test
def test_full_screen_and_back(live: Any, server: Server) -> None:
    live.locator(".full").click()
    server.until(lambda: live.locator(".full").text_content() == "Leave full screen", "full screen")
    live.locator(".full").click()
    server.until(lambda: live.locator(".full").text_content() == "Full screen", "back again")


@browser_test
def test_reruns_do_not_reconnect(live: Any, server: Server) -> None:
    before = server.seen()
    for n in range(1, 4):
        live.get_by_role("button", name="Run again").click()
        server.until(lambda n=n: server.seen()["runs"] >= before["runs"] + n, "the page ran again")
    frame = shown(live)
    server.until(lambda: shown(live) > frame + 3, "frames go on")
    assert server.seen()["connections"] == before["connections"]


@browser_test
def test_a_hidden_tab_disconnects_and_reconnects(live: Any, server: Server) -> None:
    def visibility(state: str) -> None:
        live.evaluate(
            "(state) => { Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });"
            " document.dispatchEvent(new Event('visibilitychange')); }",
            state,
        )

    connections = len(server.seen()["connections"])
    visibility("hidden")
    live.wait_for_timeout(500)
    visibility("visible")  # a short look elsewhere changes nothing
    visibility("hidden")
    live.wait_for_selector(".viewer[data-state=paused]", timeout=SECONDS)
    visibility("visible")
    wait_for_state(live, "live")
    assert len(server.seen()["connections"]) == connections + 1


@browser_test
def test_nothing_scrolls_sideways_on_a_phone(live: Any, server: Server) -> None:
    live.set_viewport_size({"width": 390, "height": 800})
    try:
        server.steer(scene="crowd")
        server.until(lambda: live.locator(".canvas").evaluate("c => c.clientWidth") < 390, "the canvas is smaller")
        assert live.evaluate("document.documentElement.scrollWidth") <= 390
        wide = live.locator(".viewer").evaluate(
            "v => [...v.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > innerWidth).length"
        )
        assert wide == 0
    finally:
        live.set_viewport_size({"width": 1280, "height": 1000})


@browser_test
def test_a_lower_frame_of_a_newer_connection_is_shown(live: Any, server: Server) -> None:
    server.steer(connection=2, index=0)
    server.until(lambda: live.locator(".canvas").get_attribute("data-connection") == "2", "the new connection")
    assert shown(live) < 100
    server.steer(connection=1)  # what is older is not drawn any more, but acknowledged: the stream goes on
    live.wait_for_timeout(500)
    assert live.locator(".canvas").get_attribute("data-connection") == "2"
    assert server.seen()["answers"][-1] == [1, False], "and what was not"
    server.steer(connection=2)
    frame = shown(live)
    server.until(lambda: shown(live) > frame, "frames go on")
    server.steer(connection=1)
    live.reload()
    wait_for_state(live, "live")


@browser_test
def test_the_viewer_reconnects_to_a_restarted_server(live: Any, server: Server) -> None:
    server.stop()
    live.wait_for_selector(".viewer[data-state=retrying]", timeout=SECONDS)
    assert live.locator(".veil").text_content().startswith("reconnecting in ")
    server.start()
    wait_for_state(live, "live")
    frame = shown(live)
    server.until(lambda: shown(live) > frame, "frames advance again")


@browser_test
def test_a_refused_token_shows_an_error_and_is_not_tried_again(live: Any, server: Server) -> None:
    live.goto(f"{server.url}/?token=old")
    wait_for_state(live, "refused")
    assert live.locator(".state").text_content() == "not allowed: the token is too old"
    live.wait_for_timeout(1500)
    assert live.locator(".viewer").get_attribute("data-state") == "refused"
    live.goto(server.url)
    wait_for_state(live, "live")


@browser_test
def test_a_source_without_frames_shows_its_state_instead_of_live(live: Any, server: Server) -> None:
    hold(live, server)
    server.steer(state={"state": "paused", "reason": ""})
    wait_for_state(live, "paused")
    live.wait_for_timeout(4000)  # longer than the viewer waits before it counts the seconds without a picture
    assert live.locator(".state").text_content() == "paused"
    server.steer(state={"state": "reconnecting", "reason": "the camera does not answer"})
    wait_for_state(live, "retrying")
    assert live.locator(".veil").text_content() == "reconnecting: the camera does not answer"
    server.steer(state={"state": "live", "reason": ""}, held=False)
    wait_for_state(live, "live")
    assert live.locator(".veil").text_content() == ""


@browser_test
def test_the_end_is_shown_and_the_last_moment_can_still_be_flagged(live: Any, server: Server) -> None:
    connections = server.seen()["connections"]
    server.steer(close=(4000, "the file is over"))
    wait_for_state(live, "ended")
    assert live.locator(".state").text_content() == "ended: the file is over"
    live.wait_for_timeout(1500)
    assert server.seen()["connections"] == connections
    live.locator("body").press("f")
    server.until(lambda: server.seen()["flags"], "the flag arrives")
    assert server.seen()["flags"][0]["frame"] == shown(live)
    server.steer(close=None)
    live.reload()


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "flag",
        {},
        {"connection": 1, "frame": 2, "time": 0.1},
        {"connection": 1, "frame": "2", "time": 0.1, "track": None},
        {"connection": 1, "frame": -2, "time": 0.1, "track": None},
        {"connection": 1, "frame": 2, "time": float("nan"), "track": None},
        {"connection": 1, "frame": 2, "time": 0.1, "track": "3"},
    ],
)
def test_an_invalid_moment_is_none(sent: object) -> None:
    assert moment_of(sent) is None


def test_a_valid_moment_keeps_its_four_fields_only() -> None:
    sent = {"connection": 1, "frame": 2, "time": 3, "track": 4, "note": TOKEN}
    assert moment_of(sent) == {"connection": 1, "frame": 2, "time": 3.0, "track": 4}
