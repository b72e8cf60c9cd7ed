"""The contrast of all text on the pages, in the light and the dark theme (WCAG 2.2, success criterion 1.4.3)."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from support.dashboard_server import Dashboard
from support.flagging import flag
from support.live_page import browsing

from monitor.flags.archive import FlagArchive
from monitor.media.sources.demo import DemoSource
from monitor.system import jpeg

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SECONDS = 60_000  # milliseconds that a busy machine may take
PAGES = {
    "": "Add a source",
    "review": "Flag 1 of 1",
    "model": "All figures",
    "system": "Storage",
}  # path: a text on it
FAINT = """() => {
    const parse = (colour) => {
        const [red, green, blue, alpha = 1] = colour.match(/[\\d.]+/g).map(Number);
        const full = colour.startsWith("color(") ? 255 : 1;
        return [red * full, green * full, blue * full, alpha];
    };
    const over = (top, below) => [0, 1, 2].map((k) => top[k] * top[3] + below[k] * (1 - top[3]));
    const luminance = (colour) => {
        const linear = colour
            .map((value) => value / 255)
            .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const faint = {};
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let seen = 0;
    while (texts.nextNode()) {
        const text = texts.currentNode.textContent.trim(), element = texts.currentNode.parentElement;
        const isShown = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
        if (!text || !isShown || element.closest(":disabled, [aria-disabled=true], script, style")) continue;
        const layers = [];
        let opacity = 1;
        for (let one = element; one; one = one.parentElement) {
            layers.unshift(parse(getComputedStyle(one).backgroundColor));
            opacity *= getComputedStyle(one).opacity;
        }
        const back = layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
        const [red, green, blue, alpha] = parse(getComputedStyle(element).color);
        const ink = over([red, green, blue, alpha * opacity], back);
        const [low, high] = [luminance(ink), luminance(back)].sort((a, b) => a - b);
        const contrast = (high + 0.05) / (low + 0.05);
        if (contrast < 4.5) faint[text] = contrast;
        seen++;
    }
    return [seen, faint];
}"""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("dashboard")
    portrait = next(iter(DemoSource(1.0))).pixels
    (folder / "portrait.jpg").write_bytes(jpeg.encode(portrait, quality=90))  # a source that takes no time
    running = Dashboard(folder / "evidence", sources=str(folder / "portrait.jpg"))
    running.start()
    with FlagArchive(running.folder) as archive:
        archive.store.add(flag(trace=()), actor="ada")
    yield running
    running.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing() as running:
        yield running


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_has_a_contrast_of_at_least_4_5(browser: Any, dashboard: Dashboard, theme: str) -> None:
    page = browser.new_page(color_scheme=theme)
    page.set_default_timeout(SECONDS)
    for path, text in PAGES.items():
        page.goto(f"{dashboard.url}/{path}")
        page.get_by_text(text).first.wait_for()
        page.get_by_test_id("stApp").and_(page.locator("[data-test-script-state=notRunning]")).wait_for()
        page.wait_for_function("!document.querySelector('[data-stale=true]')")
        page.wait_for_timeout(500)  # Streamlit fades elements in
        seen, faint = page.evaluate(FAINT)
        assert seen > 10
        assert faint == {}, path or "live"
    page.close()
