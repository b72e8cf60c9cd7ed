"""Pictures for other programs."""

import numpy as np
import pytest
from support.observations import Face, frame, observation

from monitor.server.notify.snapshots import snapshot
from monitor.system import jpeg
from monitor.types import Label


@pytest.mark.parametrize(
    ("height", "width", "shape"), [(2160, 3840, (540, 960, 3)), (1920, 1080, (960, 540, 3)), (240, 320, (240, 320, 3))]
)
def test_a_picture_has_a_limited_size_and_keeps_its_shape(height: int, width: int, shape: tuple[int, int, int]) -> None:
    picture = snapshot(frame(np.zeros((height, width, 3), np.uint8)), observation())
    assert jpeg.decode(picture).shape == shape
    assert len(picture) < 200_000


def test_faces_are_marked_and_the_frame_stays_as_it_is() -> None:
    shown = frame(np.full((480, 640, 3), 90, np.uint8))
    plain = jpeg.decode(snapshot(shown, observation()))
    marked = jpeg.decode(
        snapshot(shown, observation([Face((200.0, 100.0, 350.0, 300.0), label=Label.LIKELY_FAKE, probability=0.9)]))
    )
    different = np.abs(marked.astype(int) - plain).max(axis=2) > 40
    assert different[90:310, 190:360].any()
    assert (shown.pixels == 90).all()
