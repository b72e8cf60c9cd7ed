"""The cards of faces in a real browser, while they change places."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.live_page import Server, browsing, serving

pytestmark = pytest.mark.browser

SECONDS = 30_000  # milliseconds that a busy machine may take
WATCH = """
    window.cards = [];
    const read = () => {
        for (const curve of document.querySelectorAll("img[alt^='P(fake) of']")) {
            const card = curve.closest("[data-testid=stMarkdown]") ?? document.body;
            const [face] = card.textContent.match(/Face \\d/) ?? ["no face"];
            const others = card.parentElement.querySelectorAll("img[alt^='P(fake) of']").length;
            window.cards.push([face, curve.alt.match(/face \\d/)[0], others]);
        }
    };
    new MutationObserver(read).observe(document.body, { subtree: true, childList: true, attributes: true });
"""


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with serving() as server, browsing() as browser:
        yield _opened(browser, server)


def _opened(browser: Any, server: Server) -> Any:
    page = browser.new_page(viewport={"width": 390, "height": 700})
    page.goto(f"{server.url}/?show=cards")
    page.get_by_text("Reasons: face too small").wait_for(timeout=SECONDS)
    return page


def test_a_card_never_shows_the_curve_of_another_face(page: Any) -> None:
    page.evaluate(WATCH)
    page.wait_for_function("new Set(window.cards.map(String)).size > 1 && window.cards.length > 60", timeout=SECONDS)
    seen = {tuple(card) for card in page.evaluate("window.cards")}
    assert seen == {("Face 1", "face 1", 1), ("Face 2", "face 2", 1)}


def test_a_card_shows_portrait_figures_and_reasons(page: Any) -> None:
    portrait = page.get_by_role("img", name="Face 1", exact=True)
    assert portrait.evaluate("image => image.decode().then(() => image.naturalWidth)") == 120
    text = " ".join(page.get_by_test_id("stMarkdown").all_inner_texts())
    for words in ("Face 1", "likely fake", "P(fake) 93 % from 3 samples", "Reasons: face too small"):
        assert words in text
