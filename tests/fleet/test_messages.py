"""A frame without its pixels."""

import pickle

import numpy as np
import pytest
from support.observations import frame

from monitor.errors import SourceUnavailableError
from monitor.fleet.messages import DistantFrame
from monitor.system import jpeg

PIXELS = np.full((72, 96, 3), 90, np.uint8)


def test_a_distant_frame_fetches_its_picture_once_and_only_when_it_is_read() -> None:
    asked: list[tuple[int, float]] = []

    def fetch(index: int, media_time: float) -> bytes:
        asked.append((index, media_time))
        return jpeg.encode(PIXELS, quality=90)

    sent = pickle.dumps(DistantFrame.of(frame(PIXELS, 1.4, 7)))
    arrived = pickle.loads(sent).fetched_by(fetch)  # noqa: S301 - made here
    assert (arrived.index, arrived.media_time, arrived.source) == (7, 1.4, "test")
    assert (arrived.width, arrived.height) == (96, 72)
    assert asked == []
    assert arrived.pixels.shape == (72, 96, 3)
    assert abs(int(arrived.pixels[30, 30, 0]) - 90) < 5
    assert len(asked) == len([arrived.pixels]) == 1
    assert asked == [(7, 1.4)]


def test_on_its_way_it_has_no_pixels() -> None:
    sent = DistantFrame.of(frame(PIXELS, 1.4, 7))
    assert len(pickle.dumps(sent)) < 1000
    assert repr(sent) == "DistantFrame(7, 1.400 s, 96x72)"
    with pytest.raises(SourceUnavailableError, match="the picture is on another machine"):
        _ = sent.pixels
