"""The newest frame, for all who look."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import cv2
import numpy as np
import pytest
from support.events import analyse_frame, open_stream
from support.frame_messages import unpack
from support.observations import Face, frame, observation

from monitor.server import broadcaster as module
from monitor.server.broadcaster import Broadcaster, ShownState, Viewer
from monitor.types.events import StreamStateChanged

BOX = (40.0, 30.0, 80.0, 90.0)


def feed(broadcaster: Broadcaster, index: int, *faces: Face, connection: int = 1) -> None:
    moment = index * 0.04
    pixels = np.full((48, 64, 3), 10 * index, np.uint8)
    seen = observation(faces, media_time=moment, index=index)
    analyse_frame(broadcaster, frame(pixels, moment, index), seen, connection=connection)


def number(found: tuple[dict[str, Any], bytes] | None) -> int:
    assert found is not None
    head, message = found
    assert unpack(message)[0] == head
    return head["frame"]


async def woken(viewer: Viewer) -> None:
    """Wait until this viewer is told of something; the event is cleared."""
    await asyncio.wait_for(viewer.arrived.wait(), 5)
    viewer.arrived.clear()


def test_the_newest_wins_and_comes_once() -> None:
    async def look() -> None:
        broadcaster = Broadcaster()
        with broadcaster.viewing() as viewer:
            assert broadcaster.message(viewer) is None, "nothing was seen yet"
            for index in range(3):
                feed(broadcaster, index)
            await woken(viewer)
            assert number(broadcaster.message(viewer)) == 2
            assert broadcaster.message(viewer) is None, "each frame at most once"
            feed(broadcaster, 3)
            assert number(broadcaster.message(viewer)) == 3

    asyncio.run(look())


def test_who_comes_late_sees_the_newest_at_once() -> None:
    async def look() -> None:
        broadcaster = Broadcaster()
        feed(broadcaster, 7)
        with broadcaster.viewing() as viewer:
            assert viewer.arrived.is_set()
            assert number(broadcaster.message(viewer)) == 7

    asyncio.run(look())


def test_a_frame_is_encoded_once_for_all_and_only_if_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    real = module.picture

    def counted(frame: object, **how: int) -> bytes:
        encoded.append(1)
        return real(frame, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "picture", counted)

    async def look() -> None:
        broadcaster = Broadcaster()
        feed(broadcaster, 0)
        assert not encoded
        with broadcaster.viewing() as one, broadcaster.viewing() as other:
            first, second = await asyncio.gather(
                asyncio.to_thread(broadcaster.message, one), asyncio.to_thread(broadcaster.message, other)
            )
            assert first[1] is second[1]
            assert len(encoded) == 1
            feed(broadcaster, 1)
            one.adaptation.index = 2
            small, large = broadcaster.message(one), broadcaster.message(other)
            assert small[1] != large[1]
            assert len(encoded) == 3, "once for each level"

    asyncio.run(look())


def test_a_frame_from_the_analysis_thread_wakes_a_viewer() -> None:
    async def look() -> None:
        broadcaster = Broadcaster()
        with broadcaster.viewing() as viewer:
            threading.Timer(0.05, feed, (broadcaster, 1)).start()
            await woken(viewer)
            assert number(broadcaster.message(viewer)) == 1

    asyncio.run(look())


def test_the_end_wakes_all_and_says_why() -> None:
    async def look() -> None:
        broadcaster = Broadcaster()
        assert broadcaster.over == ""
        with broadcaster.viewing() as one, broadcaster.viewing() as other:
            threading.Timer(0.05, broadcaster.end, ("the source was removed",)).start()
            await woken(one)
            await woken(other)
            assert broadcaster.over == "the source was removed"

    asyncio.run(look())


def test_viewers_are_counted_and_one_that_is_gone_harms_nobody() -> None:
    broadcaster = Broadcaster()
    left: list[Viewer] = []

    async def look(then: Callable[[], None]) -> None:
        with broadcaster.viewing() as viewer, broadcaster.viewing():
            assert broadcaster.viewers == 2
            left.append(viewer)
            then()
        assert broadcaster.viewers == 0

    asyncio.run(look(lambda: None))
    left[0].wake()  # its loop is closed
    feed(broadcaster, 1)
    asyncio.run(look(lambda: feed(broadcaster, 2)))


def test_what_a_viewer_shows_is_counted_and_what_it_is_late_with_makes_its_pictures_smaller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)

    async def look() -> None:
        nonlocal now
        broadcaster = Broadcaster()
        with broadcaster.viewing("tab") as viewer, broadcaster.viewing("other"):
            assert broadcaster.viewer_of("tab") is viewer
            assert broadcaster.viewer_of("none") is None
            for index in range(10):
                viewer.send(1, index)
                now += 0.3
                assert viewer.acknowledge(1, index, shown=index % 2 == 0)
            assert viewer.fps == pytest.approx(5 / 5)
            assert viewer.adaptation.index > 0
            assert not viewer.acknowledge(1, 3, shown=True), "no such frame is under way"
            now += 10
            assert viewer.fps == 0
            with broadcaster.viewing("tab") as newer:
                assert broadcaster.viewer_of("tab") is newer

    asyncio.run(look())


def test_a_face_is_cut_out_of_the_newest_frame() -> None:
    broadcaster = Broadcaster()
    assert broadcaster.face(1) is None
    pixels = np.zeros((480, 640, 3), np.uint8)
    pixels[100:220, 200:300] = 200
    analyse_frame(
        broadcaster, frame(pixels), observation([Face((200, 100, 300, 220), 1), Face((900, 900, 950, 950), 2)])
    )
    cut = cv2.imdecode(np.frombuffer(broadcaster.face(1) or b"", np.uint8), cv2.IMREAD_COLOR)
    assert cut.shape == (96, 96, 3)
    assert cut[48, 48].mean() > 190
    assert cut[2, 2].mean() < 10, "with some of what is around it"
    assert broadcaster.face(2) is None, "outside of the picture"
    assert broadcaster.face(7) is None


def test_a_new_connection_forgets_the_maps_of_the_last_one() -> None:
    broadcaster = Broadcaster()
    assert broadcaster.now is None
    open_stream(broadcaster)
    feed(broadcaster, 0, Face(BOX, log_odds=2.0))
    feed(broadcaster, 1, Face(BOX))
    assert broadcaster.now is not None
    assert (broadcaster.now["connection"], broadcaster.now["faces"][0]["map"] is None) == (1, False), (
        "the map stays with its face"
    )
    open_stream(broadcaster, connection=2)
    feed(broadcaster, 1, Face(BOX), connection=2)
    assert (broadcaster.now["connection"], broadcaster.now["faces"][0]["map"]) == (2, None)


def test_large_pictures_are_sent_smaller() -> None:
    async def look() -> None:
        broadcaster = Broadcaster()
        analyse_frame(broadcaster, frame(np.zeros((20, 2000, 3), np.uint8)), observation())
        with broadcaster.viewing() as viewer:
            head, jpeg = unpack(broadcaster.message(viewer)[1])
            assert head["width"] == 2000, "boxes are measured in the frame"
            assert _width(jpeg) == 1280
            viewer.adaptation.index = 3
            analyse_frame(broadcaster, frame(np.zeros((20, 2000, 3), np.uint8)), observation())
            assert _width(unpack(broadcaster.message(viewer)[1])[1]) == 480

    asyncio.run(look())


def _width(jpeg: bytes) -> int:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape[1]


def test_a_viewer_gets_each_state_once_and_who_comes_late_gets_the_last_one() -> None:
    async def look() -> None:
        broadcaster = Broadcaster()
        with broadcaster.viewing() as early:
            assert broadcaster.state(early) is None, "nothing is to be explained yet"
            broadcaster.show_state("connecting", "preparing a network")
            await woken(early)
            assert broadcaster.state(early) == ShownState("connecting", "preparing a network")
            assert broadcaster.state(early) is None
            broadcaster(StreamStateChanged(stream="door", at=datetime.now(UTC), connection=1, state="paused"))
            await woken(early)
            with broadcaster.viewing() as late:
                await woken(late)
                assert broadcaster.state(late) == broadcaster.state(early) == ShownState("paused", "")

    asyncio.run(look())
