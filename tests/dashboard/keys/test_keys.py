"""The keys in a real browser: every press belongs to what was on the screen."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.live_page import Server, browsing

SECONDS = 60_000  # milliseconds that a busy machine may take
_WATCH = """
    window.presses = [];
    window.addEventListener("keydown", (event) =>
        window.presses.push([event.key, document.querySelector("h2").textContent.trim().split(" ").pop()]), true);
"""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing() as running:
        yield running


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    """A new session, at subject A; ``window.presses`` has the letter and the shown subject of every press."""
    server.steer(presses=[], slowness=0.0)
    context = browser.new_context()
    context.add_init_script(_WATCH)
    page = context.new_page()
    page.goto(f"{server.url}/?show=keys")
    wait_for(page, "A")
    page.locator(".keys-status").wait_for(state="attached", timeout=SECONDS)
    yield page
    context.close()


def wait_for(page: Any, subject: str) -> None:
    page.get_by_text(f"{subject} is drawn", exact=True).wait_for(timeout=SECONDS)


def judged(server: Server) -> list[tuple[str, str]]:
    seen = server.seen()
    assert seen is not None
    return [(letter, subject) for letter, subject in seen["presses"]]


def test_a_press_names_the_shown_subject(page: Any, server: Server) -> None:
    for letter, subject, following in (("c", "A", "B"), ("x", "B", "C"), ("c", "C", "D")):
        page.keyboard.press(letter)
        wait_for(page, following)
        assert judged(server)[-1] == (letter, subject)
    assert page.get_by_text("ignored").count() == 0
    assert len(judged(server)) == 3


@pytest.mark.parametrize(("slowness", "pause"), [(0.0, 100), (0.2, 100), (0.2, 300), (0.5, 300)])
def test_presses_in_quick_succession_judge_the_shown_subject_once(
    page: Any, server: Server, slowness: float, pause: int
) -> None:
    server.steer(slowness=slowness)
    for letter in "cxcxcxcx":
        page.keyboard.press(letter)
        page.wait_for_timeout(pause)
    last = judged(server)[-1][1]
    wait_for(page, chr(ord(last) + 1))
    known = judged(server)
    assert known[0] == ("c", "A")
    assert [subject for _, subject in known] == [chr(ord("A") + number) for number in range(len(known))], "each once"
    on_screen = page.evaluate("window.presses")
    assert len(on_screen) == 8
    for press in known:
        assert list(press) in on_screen, "judged as it was shown"


def test_a_press_while_another_subject_is_drawn_is_ignored(page: Any, server: Server) -> None:
    server.steer(slowness=1.0)
    page.get_by_role("button", name="Skip").click()
    page.get_by_role("heading", name="Flag B").wait_for(timeout=SECONDS)
    page.keyboard.press("x")  # B is on the screen, but its keys are not there yet
    page.get_by_text("Key X ignored").wait_for(timeout=SECONDS)
    wait_for(page, "B")
    page.keyboard.press("c")
    wait_for(page, "C")
    assert judged(server) == [("c", "B")]
    assert page.get_by_text("ignored").count() == 0


def test_the_keys_work_after_a_filter_was_used(page: Any, server: Server) -> None:
    page.get_by_role("combobox", name="State").click()
    page.get_by_role("option", name="old").click()
    released = "document.activeElement === document.body || !document.activeElement.matches('input')"
    page.wait_for_function(released, timeout=SECONDS)
    page.keyboard.press("c")
    wait_for(page, "B")
    page.get_by_role("textbox", name="Search").fill("cx")
    page.get_by_role("textbox", name="Search").press("Enter")
    page.wait_for_function(released, timeout=SECONDS)
    page.keyboard.press("x")
    wait_for(page, "C")
    assert judged(server) == [("c", "A"), ("x", "B")]


def test_other_keys_and_typing_are_left_alone(page: Any, server: Server) -> None:
    page.keyboard.press("q")
    page.keyboard.press("Control+c")
    note = page.get_by_role("textbox", name="Note")
    note.fill("")
    note.press("x")
    assert note.input_value() == "x"
    assert judged(server) == []
