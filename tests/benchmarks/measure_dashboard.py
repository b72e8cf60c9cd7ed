"""Figures of docs/measurements.md on the dashboard; takes three minutes.

    PYTHONPATH=tests python tests/benchmarks/measure_dashboard.py

Starts the server as a newcomer does, on the demo stream (720 lines, 25 frames a second), and talks to it on loopback.
"""

import json
import os
import re
import signal
import statistics
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from support.dashboard_server import Dashboard
from support.flagging import BEGIN, flag
from support.frame_messages import unpack
from support.live_page import browsing
from websockets.sync.client import connect

from monitor.analysis.pipeline import Engines
from monitor.flags.archive import FlagArchive
from monitor.flags.recorder import FlagRequest
from monitor.runtime import BackgroundWorker
from monitor.server.stream import Stream
from monitor.settings import Settings

WATCH = 10.0  # seconds that each case is watched
TICKS = os.sysconf("SC_CLK_TCK")


def quantiles(values: list[float]) -> str:
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return f"p50 {statistics.median(ordered):.0f} ms, p95 {p95:.0f} ms, worst {ordered[-1]:.0f} ms"


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int) -> float:
    """MB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1000  # type: ignore[index]


class Eyes(threading.Thread):
    """A viewer: takes every message, acknowledges it, and notes how old it is; slower on a thin line."""

    def __init__(self, url: str, *, bits_per_second: float | None = None) -> None:
        super().__init__(daemon=True)
        self.url, self.line = url, bits_per_second
        self.ages: list[float] = []  # ms
        self.gaps: list[float] = []  # ms
        self.sizes: list[float] = []  # kB
        self.over = threading.Event()

    def run(self) -> None:
        with connect(self.url, max_size=None, open_timeout=30) as socket:
            last = None
            while not self.over.is_set():
                message = socket.recv(timeout=30)
                if isinstance(message, str):  # a state of the stream
                    continue
                if self.line:
                    time.sleep(8 * len(message) / self.line)
                now = time.time()
                head, _ = unpack(message)
                self.ages.append(1000 * now - head["captured"])
                if last is not None:
                    self.gaps.append(1000 * (now - last))
                last = now
                self.sizes.append(len(message) / 1000)
                socket.send(json.dumps({"ack": head["frame"], "connection": head["connection"], "shown": True}))


@contextmanager
def looking(url: str, count: int, **line: float) -> Iterator[list[Eyes]]:
    eyes = [Eyes(url, **line) for _ in range(count)]
    for one in eyes:
        one.start()
    yield eyes
    for one in eyes:
        one.over.set()
        one.join(40)


def address_of_stream(page: Any, dashboard: Dashboard) -> str:
    """As the page itself uses it, its token included."""
    with page.expect_websocket(lambda socket: "/monitor/live/" in socket.url) as found:
        page.goto(dashboard.url)
    page.wait_for_selector(".viewer[data-state=live]", timeout=60_000)
    return str(found.value.url)


def viewers(dashboard: Dashboard, url: str, pid: int) -> None:
    for count, line in ((0, None), (1, None), (4, None), (1, 3e6)):
        began, before = time.monotonic(), cpu(pid)
        options = {} if line is None else {"bits_per_second": line}
        with looking(url, count, **options) as eyes:
            time.sleep(WATCH)
        seconds = time.monotonic() - began
        share = 100 * (cpu(pid) - before) / seconds
        ages, gaps = [age for one in eyes for age in one.ages], [gap for one in eyes for gap in one.gaps]
        name = f"{count} viewers" + (f" on {line / 1e6:g} Mbit/s" if line else "")
        print(f"{name}: server {share:.0f} % of a core", end="" if ages else "\n")
        if ages:
            size = statistics.median(size for one in eyes for size in one.sizes)
            rate = len(ages) / count / seconds
            print(f"; {rate:.1f} frames/s each of {size:.0f} kB, age {quantiles(ages)}; longest gap {max(gaps):.0f} ms")


def big_upload(dashboard: Dashboard, url: str, pid: int, folder: Path) -> None:
    """A gigabyte that turns out to be no video."""
    file = folder / "big.mp4"
    with file.open("wb") as made:
        made.truncate(1_000_000_000)
    token = url.partition("token=")[2]
    before, peak, over = resident(pid), [resident(pid)], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            peak.append(resident(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with looking(url, 1) as eyes, file.open("rb") as body:
        request = urllib.request.Request(  # noqa: S310
            f"{dashboard.url}/monitor/upload?name=big.mp4&token={token}", data=body, method="PUT"
        )
        request.add_header("Content-Length", str(file.stat().st_size))
        began = time.monotonic()
        try:
            urllib.request.urlopen(request, timeout=300).close()  # noqa: S310
        except urllib.error.HTTPError as refused:
            print("answer:", json.load(refused)["error"])
        seconds = time.monotonic() - began
    over.set()
    watcher.join()
    gap = max(eyes[0].gaps)
    print(f"1 GB in {seconds:.1f} s: memory +{max(peak) - before:.0f} MB; longest gap of the live view {gap:.0f} ms")


def flags(folder: Path) -> None:
    """From the press to the commit, the analysis running."""
    settings = Settings(evidence={"folder": folder / "flags"}, source={"demo_seconds": 600})
    engines = Engines.load(settings)
    with FlagArchive.open(settings.evidence) as archive, BackgroundWorker("clips") as worker:
        stream = Stream(
            "demo:", name="", engines=lambda: engines, settings=settings, archive=archive, worker=worker, repeat=True
        )
        stream.start()
        while stream.broadcaster.now is None:
            time.sleep(0.1)
        taken = []
        for _ in range(60):
            time.sleep(0.15)
            now = stream.broadcaster.now
            began = time.monotonic()
            mark = FlagRequest(connection=now["connection"], media_time=now["time"], frame_index=now["frame"])
            stream.flag_recorder.flag(mark)
            taken.append(1000 * (time.monotonic() - began))
        stream.stop()
    print(f"60 flags, each until it is committed: {quantiles(taken)}")


def review(browser: Any, dashboard: Dashboard) -> None:
    """A thousand flags."""
    with FlagArchive(dashboard.folder) as archive:
        for number in range(1000):
            archive.store.add(
                replace(flag(number), created_at=BEGIN - timedelta(minutes=number), trace=()), actor="ada"
            )
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    taken = []
    page.goto(dashboard.url)
    for _ in range(5):
        page.get_by_role("link", name="Live", exact=True).click()
        page.wait_for_selector(".viewer", timeout=60_000)
        began = time.monotonic()
        page.get_by_role("link", name="Review", exact=True).click()
        page.get_by_test_id("stDataFrame").first.wait_for(timeout=60_000)
        taken.append(1000 * (time.monotonic() - began))
    print(f"Review with 1,000 flags, from the click to the list: {quantiles(taken)}")


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary, browsing() as browser:
        folder = Path(temporary)
        flags(folder)
        dashboard = Dashboard(folder / "dashboard", demo_seconds=600)
        dashboard.start()
        try:
            pid = dashboard._process.pid  # type: ignore[union-attr]
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            url = address_of_stream(page, dashboard)
            drawn: list[float] = []

            def sent(payload: str | bytes) -> None:
                if isinstance(payload, str) and '"shown":true' in payload:
                    drawn.append(time.monotonic())

            page.on("websocket", lambda socket: socket.on("framesent", sent))
            page.reload()
            page.wait_for_selector(".viewer[data-state=live]", timeout=60_000)
            page.wait_for_timeout(1000 * WATCH)
            recent = [at for at in drawn if at > drawn[-1] - WATCH / 2]
            print(f"Chromium draws {len(recent) / (WATCH / 2):.1f} frames/s")
            page.close()
            viewers(dashboard, url, pid)
            big_upload(dashboard, url, pid, folder)
            review(browser, dashboard)
        finally:
            dashboard.end(signal.SIGTERM)


if __name__ == "__main__":
    main()
