"""A small Streamlit server for browser tests: the viewer and the webcam on a page, synthetic frames behind them.

``uvicorn support.live_page:app`` serves it; the page, run by Streamlit as ``__main__``, shares its state by importing
this module under its own name. ``/steer`` changes the stream, ``/seen`` returns the received messages.
"""

import asyncio
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from support.observations import Face, frame, observation

from monitor.dashboard.keys import keys, subject_container
from monitor.dashboard.pages.face_card import face_card
from monitor.dashboard.remembered_name import read_name, remember_name
from monitor.dashboard.viewer import viewer
from monitor.dashboard.webcam import webcam
from monitor.overlay.heat import EvidenceMemory
from monitor.server.frame_messages import NOT_ALLOWED, header, pack, picture
from monitor.system import jpeg
from monitor.types import Label, Reason

SUBJECTS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TOKEN = "a token+with/odd=letters"  # noqa: S105
WIDTH, HEIGHT = 640, 360
GREY = 120
FRAME_INTERVAL = 0.1  # seconds between two frames
FAKE = (100.0, 80.0, 220.0, 240.0)  # face 3: evidence for fake in its left half, for real in its right half
SMALL = (420.0, 150.0, 480.0, 220.0)  # face 5: not enough evidence


def faces() -> list[Face]:
    evidence = np.array([[4.0, 4.0, -4.0, -4.0]] * 4, np.float32)
    return [
        Face(FAKE, 3, Label.LIKELY_FAKE, 0.92, log_odds=3.0, evidence=evidence),
        Face(SMALL, 5, Label.NOT_ENOUGH_EVIDENCE, None, (Reason.TOO_SMALL,)),
    ]


def crowd() -> list[Face]:
    """Every label, at the frame's edges too: for looking at."""
    ramp = np.linspace(-4, 4, 49, dtype=np.float32).reshape(7, 7)
    return [
        Face((2, 2, 92, 122), 1, Label.LIKELY_REAL, 0.17, log_odds=-2.0, evidence=-np.abs(ramp)),
        Face((250, 90, 370, 250), 2, Label.LIKELY_FAKE, 0.993, log_odds=3.0, evidence=ramp),
        Face((560, 60, 638, 170), 3, Label.SUSPICIOUS, 0.74, log_odds=1.0, evidence=ramp.T),
        Face((420, 290, 460, 344), 4, Label.NOT_ENOUGH_EVIDENCE, None, (Reason.OUT_OF_FRAME,)),
    ]


def throng() -> list[Face]:
    """Sixteen faces, two of them suspicious: for looking at."""
    places = [(20 + 78 * column, 60 + 150 * row) for row in range(2) for column in range(8)]
    labels = {3: Label.LIKELY_FAKE, 14: Label.SUSPICIOUS}
    return [
        Face((x, y, x + 44, y + 60), track, labels.get(track, Label.LIKELY_REAL), 0.93 if track in labels else 0.1)
        for track, (x, y) in enumerate(places, 1)
    ]


SCENES = {"two": faces, "crowd": crowd, "throng": throng, "empty": list}


class Stage:
    """The state of the stream, and the received messages."""

    def __init__(self) -> None:
        self.held = False
        self.index = 0
        self.connection = 1
        self.scene = "two"
        self.close: tuple[int, str] | None = None
        self.state: dict[str, str] | None = None  # sent once, as text
        self.connections: list[str] = []
        self.acknowledged: list[int] = []
        self.answers: list[tuple[int, bool]] = []  # connection; whether it was drawn
        self.flags: list[Any] = []
        self.returned: list[Any] = []
        self.runs = 0
        self.camera: list[tuple[float, float, str, int]] = []  # sent at, received at, first bytes in hex, bytes
        self.cameras = 0
        self.camera_running: list[bool] = []
        self.camera_close: tuple[int, str] | None = None
        self.hoard = False  # the server does not acknowledge the pictures
        self.refused = ""  # the error in the acknowledgements
        self.presses: list[tuple[str, str]] = []  # letter, subject
        self.slowness = 0.0  # seconds before and after the subject is drawn

    def message(self) -> bytes:
        self.index += 1
        shown = frame(_background(self.scene), self.index / 25, self.index)
        seen = observation(SCENES[self.scene](), media_time=self.index / 25, index=self.index)
        maps = EvidenceMemory(1.0)
        maps.update(seen)
        return pack(
            header(shown, seen, connection=self.connection, maps=maps), picture(shown, longest=WIDTH, quality=90)
        )


def _background(scene: str) -> np.ndarray:
    pixels = np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)
    if scene == "crowd":
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        pixels[:] = np.stack([60 + x / 8, 70 + y / 6, 90 + (x + y) / 14], -1)
        for face in crowd():
            x1, y1, x2, y2 = (int(edge) for edge in face.box)
            disc = ((x - (x1 + x2) / 2) / (x2 - x1)) ** 2 + ((y - (y1 + y2) / 2) / (y2 - y1)) ** 2 < 0.22
            pixels[disc] = (196, 160, 138)
    return pixels


stage = Stage()


async def stream(websocket: WebSocket) -> None:
    await websocket.accept()
    if websocket.query_params.get("token") != TOKEN:
        await websocket.close(NOT_ALLOWED, "the token is too old")
        return
    stage.connections.append(str(websocket.url.path))
    credit = asyncio.Semaphore(2)

    async def read() -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            while True:
                answer = await websocket.receive_json()
                stage.acknowledged.append(answer["ack"])
                stage.answers.append((answer["connection"], answer["shown"]))
                credit.release()

    reading = asyncio.create_task(read())
    with suppress(WebSocketDisconnect, RuntimeError):
        while not reading.done():
            if stage.close:
                await websocket.close(*stage.close)
                break
            if stage.state is not None:
                state, stage.state = stage.state, None
                await websocket.send_json(state)
            if stage.held or credit.locked():
                await asyncio.sleep(0.02)
                continue
            await credit.acquire()
            await websocket.send_bytes(stage.message())
            await asyncio.sleep(FRAME_INTERVAL)
    reading.cancel()


async def camera(websocket: WebSocket) -> None:
    await websocket.accept()
    stage.cameras += 1
    with suppress(WebSocketDisconnect, RuntimeError):
        while not stage.camera_close:
            shot = await websocket.receive_bytes()
            (sent,) = struct.unpack_from(">d", shot)
            stage.camera.append((sent, time.time() * 1000, shot[8:11].hex() + shot[-2:].hex(), len(shot)))
            if not stage.hoard:
                answer = {"ack": len(stage.camera)}
                await websocket.send_json(answer | ({"refused": stage.refused} if stage.refused else {}))
        await websocket.close(*stage.camera_close)


async def steer(request: Request) -> JSONResponse:
    for name, value in (await request.json()).items():
        assert hasattr(stage, name)
        setattr(stage, name, value)
    return JSONResponse({})


async def seen(_: Request) -> JSONResponse:
    return JSONResponse(vars(stage))


def show_keys() -> None:
    """One letter of the list after the other, drawn slowly; a press of C or X judges the shown one."""

    def press(letter: str, subject: str) -> None:
        stage.presses.append((letter, subject))
        st.session_state["shown"] = SUBJECTS[SUBJECTS.index(subject) + 1]

    subject = st.session_state.setdefault("shown", SUBJECTS[0])
    if st.button("Skip"):
        st.session_state["shown"] = subject = SUBJECTS[SUBJECTS.index(subject) + 1]
    time.sleep(stage.slowness)
    with subject_container(subject, key="keys"):
        st.header(f"Flag {subject}", anchor=False)
    time.sleep(stage.slowness)
    filters = f"{st.selectbox('State', ['new', 'old'])} {st.text_input('Search')}"
    keys(["c", "x"], subject=subject, key="keys", on_key=press, filters=filters)
    st.caption(f"{subject} is drawn")


def show_name() -> None:
    """A field for the user's name, filled with the name that this browser remembers."""
    name = st.text_input("Your name", st.session_state.setdefault("who", read_name()))
    st.session_state["who"] = name
    remember_name(name, key="name")
    st.caption(f"I am {name or 'nobody'}")


@st.fragment(run_every=0.3)
def show_cards() -> None:
    """The cards of two faces, which change places in each run; the fields of their cards differ."""
    stage.runs += 1
    portrait = jpeg.encode(_background("crowd")[90:250, 250:370], quality=80)
    shared = {"samples": 3, "effective": 2.4, "classifiers": []}
    cards = [
        {"id": 1, "label": Label.LIKELY_FAKE, "probability": 0.93, "reasons": []},
        {"id": 2, "label": Label.NOT_ENOUGH_EVIDENCE, "probability": 0.5, "reasons": [Reason.TOO_SMALL.in_words]},
    ]
    for face in cards[:: 1 if stage.runs % 2 else -1]:
        own = portrait if face["id"] == 1 else None
        face_card({**face, **shared}, portrait=own, history=[0.2, face["probability"]])


def page() -> None:
    st.set_page_config("Live", layout="wide")
    stage.runs += 1
    if st.query_params.get("show") == "cards":
        show_cards()
    elif st.query_params.get("show") == "keys":
        show_keys()
    elif st.query_params.get("show") == "name":
        show_name()
    elif st.query_params.get("show") == "webcam":
        stage.camera_running.append(webcam(key="webcam", url="live/camera", token=TOKEN, title="Your own camera"))
    else:
        token = TOKEN if st.query_params.get("token") != "old" else "old"
        moment = viewer(
            key="viewer",
            url="live/stream",
            token=token,
            title="Entrance camera",
            on_flag=lambda moment: stage.flags.append(moment),
        )
        if moment is not None:
            stage.returned.append(moment)
    st.button("Run again")
    st.text_input("Note")


if __name__ == "__main__":
    from support import live_page

    live_page.page()
else:
    app = st.App(
        __file__,
        routes=[
            WebSocketRoute("/live/stream", stream),
            WebSocketRoute("/live/camera", camera),
            Route("/steer", steer, methods=["POST"]),
            Route("/seen", seen),
        ],
    )


class Server:
    """The server in its own process, on one port for its whole life."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://localhost:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        folder = Path(__file__).parents[1]
        paths = [str(folder), str(folder.parent)]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "STREAMLIT_SERVER_FILE_WATCHER_TYPE": "none",
            "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
            "STREAMLIT_SERVER_HEADLESS": "true",
        }
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "support.live_page:app",
            "--port",
            str(self.port),
            "--log-level",
            "warning",
        ]
        self.process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.until(lambda: self.seen() is not None, "the server answers", 60)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def seen(self) -> dict[str, Any] | None:
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/seen", timeout=5) as answer:  # noqa: S310
            return json.load(answer)
        return None

    def steer(self, **changes: object) -> None:
        request = urllib.request.Request(f"{self.url}/steer", json.dumps(changes).encode(), method="POST")  # noqa: S310
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310

    def until(self, holds: Any, what: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"not within {seconds} s: {what}"
            time.sleep(0.05)


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def browsing(*extra: str) -> Iterator[Any]:
    """A Chromium, headless; the test is skipped where there is none."""
    import pytest

    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("needs chromium (tests/apt-packages.txt)")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync"]
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=[*quiet, *extra])
        try:
            yield browser
        finally:
            browser.close()
