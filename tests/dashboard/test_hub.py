"""The newest frame, for all who look."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from observations import Face, frame, observation

from monitor.dashboard import hub as module
from monitor.dashboard.hub import Hub, Viewer
from monitor.dashboard.messages import unpack

BOX = (40.0, 30.0, 80.0, 90.0)


def feed(hub: Hub, index: int, *faces: Face) -> None:
    moment = index * 0.04
    pixels = np.full((48, 64, 3), 10 * index, np.uint8)
    hub(frame(pixels, moment, index), observation(faces, media_time=moment, index=index))


def number(message: bytes | None) -> int:
    assert message is not None
    return unpack(message)[0]["frame"]


async def woken(viewer: Viewer) -> None:
    """Wait until this viewer is told of something; the event is cleared."""
    await asyncio.wait_for(viewer.arrived.wait(), 5)
    viewer.arrived.clear()


def test_the_newest_wins_and_comes_once() -> None:
    async def look() -> None:
        hub = Hub()
        with hub.viewing() as viewer:
            assert hub.message(viewer) is None, "nothing was seen yet"
            for index in range(3):
                feed(hub, index)
            await woken(viewer)
            assert number(hub.message(viewer)) == 2
            assert hub.message(viewer) is None, "each frame at most once"
            feed(hub, 3)
            assert number(hub.message(viewer)) == 3

    asyncio.run(look())


def test_who_comes_late_sees_the_newest_at_once() -> None:
    async def look() -> None:
        hub = Hub()
        feed(hub, 7)
        with hub.viewing() as viewer:
            assert viewer.arrived.is_set()
            assert number(hub.message(viewer)) == 7

    asyncio.run(look())


def test_a_frame_is_encoded_once_for_all_and_only_if_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    real = module.picture

    def counted(frame: object, **how: int) -> bytes:
        encoded.append(1)
        return real(frame, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "picture", counted)

    async def look() -> None:
        hub = Hub()
        feed(hub, 0)
        assert not encoded
        with hub.viewing() as one, hub.viewing() as other:
            first, second = await asyncio.gather(
                asyncio.to_thread(hub.message, one), asyncio.to_thread(hub.message, other)
            )
        assert first is second
        assert len(encoded) == 1

    asyncio.run(look())


def test_a_frame_from_the_analysis_thread_wakes_a_viewer() -> None:
    async def look() -> None:
        hub = Hub()
        with hub.viewing() as viewer:
            threading.Timer(0.05, feed, (hub, 1)).start()
            await woken(viewer)
            assert number(hub.message(viewer)) == 1

    asyncio.run(look())


def test_the_end_wakes_all_and_says_why() -> None:
    async def look() -> None:
        hub = Hub()
        assert hub.over == ""
        with hub.viewing() as one, hub.viewing() as other:
            threading.Timer(0.05, hub.end, ("the source was removed",)).start()
            await woken(one)
            await woken(other)
            assert hub.over == "the source was removed"

    asyncio.run(look())


def test_viewers_are_counted_and_one_that_is_gone_harms_nobody() -> None:
    hub = Hub()
    left: list[Viewer] = []

    async def look(then: Callable[[], None]) -> None:
        with hub.viewing() as viewer, hub.viewing():
            assert hub.viewers == 2
            left.append(viewer)
            then()
        assert hub.viewers == 0

    asyncio.run(look(lambda: None))
    left[0].wake()  # its loop is closed
    feed(hub, 1)
    asyncio.run(look(lambda: feed(hub, 2)))


def test_a_new_epoch_forgets_the_maps_of_the_last_one() -> None:
    hub = Hub()
    assert hub.now is None
    hub.opened(1)
    feed(hub, 0, Face(BOX, logit=2.0))
    feed(hub, 1, Face(BOX))
    assert hub.now is not None
    assert (hub.now["epoch"], hub.now["faces"][0]["map"] is None) == (1, False), "the map stays with its face"
    hub.opened(2)
    feed(hub, 1, Face(BOX))
    assert (hub.now["epoch"], hub.now["faces"][0]["map"]) == (2, None)


def test_large_pictures_are_sent_smaller() -> None:
    async def look() -> None:
        hub = Hub()
        hub(frame(np.zeros((20, 2000, 3), np.uint8)), observation())
        with hub.viewing() as viewer:
            head, jpeg = unpack(hub.message(viewer) or b"")
        assert head["width"] == 2000, "boxes are measured in the frame"
        assert _width(jpeg) == module.LONGEST == 1280

    asyncio.run(look())


def _width(jpeg: bytes) -> int:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape[1]
