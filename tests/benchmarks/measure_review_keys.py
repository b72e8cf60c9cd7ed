"""Keys in quick succession on the review page: how many judge the flag that was on the screen.

    PYTHONPATH=tests python tests/benchmarks/measure_review_keys.py [--presses 500] [--flags 60]

Chromium presses C, X, U and Z at random intervals of 50 to 500 ms on a real server. The page notes for each press which
flag was on the screen, and whether the page ignored it. The log of the flags must hold exactly the reviews and the
undone reviews of the other presses, in their order. At the end of the list all reviews are reopened and it begins anew.
"""

import argparse
import random
import signal
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from support.dashboard_server import Dashboard
from support.flagging import flag
from support.live_page import browsing

from monitor.flags.archive import FlagArchive
from monitor.types import Opinion

LETTERS = {Opinion.FAKE: "c", Opinion.REAL: "x", Opinion.UNSURE: "u"}
END = "the end"
WATCH = """
    window.presses = [];
    const inside = (root) => {  // the status is in the shadow tree of its component
        const found = root.querySelector(".keys-status");
        if (found) return found;
        for (const element of root.querySelectorAll("*")) {
            const deeper = element.shadowRoot && inside(element.shadowRoot);
            if (deeper) return deeper;
        }
        return null;
    };
    window.addEventListener("keydown", (event) => {
        if (event.key.length > 1) return;
        const press = [event.key, document.querySelector("h4")?.textContent.split(",")[0].trim() ?? "the end", ""];
        window.presses.push(press);
        setTimeout(() => press[2] = inside(document)?.textContent ?? "no keys", 0);
    }, true);
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--presses", type=int, default=500)
    parser.add_argument("--flags", type=int, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, browsing() as browser:
        dashboard = Dashboard(Path(folder) / "kept", sources="")
        dashboard.start()
        try:
            with FlagArchive(dashboard.folder) as archive:
                names = {}
                for number in range(given.flags):
                    one = flag(number, source=f"desk {number}", trace=())
                    archive.store.add(one, actor="ada")
                    names[one.id] = one.source
                measure(browser, dashboard, archive, names, count=given.presses)
        finally:
            dashboard.end(signal.SIGTERM)


def measure(browser: Any, dashboard: Dashboard, archive: FlagArchive, names: dict[str, str], *, count: int) -> None:
    chance = random.Random(1)
    page = browser.new_page()
    page.set_default_timeout(30_000)
    page.add_init_script(WATCH)
    presses: list[list[str]] = []
    rounds = 0
    while len(presses) < count:
        for flag_id in names:
            archive.store.review(flag_id, actor="reset", reviewed=False)
        rounds += 1
        open_page(page, dashboard)
        for _ in range(count - len(presses)):
            page.keyboard.press(chance.choice("cxucxuz"))
            page.wait_for_timeout(chance.uniform(50, 500))
            if page.get_by_text("This is the end of the list").count():
                break
        page.wait_for_timeout(5000)  # until the last press is stored
        presses += page.evaluate("window.presses")
    report(presses, archive, names, rounds=rounds)


def open_page(page: Any, dashboard: Dashboard) -> None:
    page.goto(f"{dashboard.url}/review")
    page.locator("h4", has_text="desk").wait_for()
    page.locator(".keys-status").wait_for(state="attached")
    page.locator("h2", has_text="Review").click()


def report(presses: list[list[str]], archive: FlagArchive, names: dict[str, str], *, rounds: int) -> None:
    accepted = [(key, shown) for key, shown, status in presses if not status]
    logged = [event for event in archive.store.events() if event.action in ("reviewed", "undone")]
    reviews = [names[event.flag_id] for event in logged if event.action == "reviewed"]
    expected = [shown for key, shown in accepted if key != "z" and shown != END]
    undone = sum(event.action == "undone" for event in logged)
    wrong = 0
    for flag_id, name in names.items():
        stored = archive.store.get(flag_id)
        letters = [key for key, shown in accepted if shown == name and key != "z"]
        wrong += (
            stored.opinion is not None and stored.reviewed_at is not None and LETTERS[stored.opinion] not in letters
        )
    print(
        f"{len(presses)} presses in {rounds} rounds, {len(accepted)} accepted, {len(presses) - len(accepted)} ignored"
    )
    print(f"ignored because: {dict(Counter(status.partition(':')[2] for *_, status in presses if status))}")
    print(f"reviews on the flag that was shown, in order: {reviews == expected} ({len(reviews)} of {len(expected)})")
    print(f"undo: {undone} undone of {sum(key == 'z' for key, _ in accepted)} presses on Z; wrong opinions: {wrong}")
    print(f"the log is whole: {archive.store.first_fault() is None}")


if __name__ == "__main__":
    main()
