"""The viewers of a stream on another machine."""

import asyncio
import struct

import numpy as np
from support.events import analyse_frame, open_stream
from support.observations import Face, frame, observation

from monitor.errors import ConflictError
from monitor.fleet.messages import PictureMessage
from monitor.fleet.placed_broadcaster import PlacedBroadcaster
from monitor.server.quality_levels import LEVELS
from monitor.system import jpeg

PIXELS = np.full((72, 96, 3), 90, np.uint8)
JPEG = jpeg.encode(PIXELS, quality=80)
SMALL = jpeg.encode(PIXELS[::2, ::2].copy(), quality=50)


def fetch(connection: int, index: int, media_time: float) -> bytes:
    if index > 5:
        raise ConflictError("no node watches it now")
    return b"%d %d %.1f" % (connection, index, media_time)


def shown(*indices: int) -> PlacedBroadcaster:
    broadcaster = PlacedBroadcaster(fetch)
    open_stream(broadcaster)
    for index in indices:
        seen = observation([Face((20, 10, 60, 60))], index=index, media_time=index / 5)
        analyse_frame(broadcaster, frame(PIXELS, index / 5, index), seen)
    return broadcaster


def test_verdicts_are_there_without_a_picture() -> None:
    broadcaster = shown(0, 1)
    assert broadcaster.now is not None
    assert (broadcaster.now["frame"], broadcaster.now["faces"][0]["id"]) == (1, 1)
    assert broadcaster.face(1) is None
    assert broadcaster.still() == ((1 << 32) | 1, b"1 1 0.2")
    assert broadcaster.number == (1 << 32) | 1
    assert PlacedBroadcaster(fetch).still() is None
    assert shown(6).still() is None, "the node is gone"


def test_a_viewer_gets_the_newest_picture_once_at_its_level() -> None:
    async def look() -> None:
        broadcaster = shown(0, 1)
        assert broadcaster.levels == ()
        with broadcaster.viewing("tab") as viewer:
            assert broadcaster.levels == (LEVELS[0],)
            assert broadcaster.message(viewer) is None
            broadcaster.show_picture(PictureMessage("a", 1, 1, 0, {LEVELS[0]: JPEG}))
            assert broadcaster.message(viewer) is None, "the picture of an older frame"
            broadcaster.show_picture(PictureMessage("a", 1, 1, 1, {LEVELS[0]: JPEG, LEVELS[3]: SMALL}))
            await asyncio.wait_for(viewer.arrived.wait(), 5)
            found = broadcaster.message(viewer)
            assert found is not None
            head, message = found
            (length,) = struct.unpack_from(">I", message)
            assert (head["frame"], message[4 + length :]) == (1, JPEG)
            assert broadcaster.message(viewer) is None
            assert broadcaster.face(1) is not None
            assert broadcaster.face(2) is None
            viewer.adaptation.index, viewer.seen = 3, 0
            again = broadcaster.message(viewer)
            assert again is not None
            assert again[1].endswith(SMALL)
        with broadcaster.viewing("tab") as viewer:
            assert broadcaster.message(viewer) is None, "the picture would be old"

    asyncio.run(look())
