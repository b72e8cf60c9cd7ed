import mmap
import os

import numpy as np
import pytest

from monitor.media.worker.frame_ring import SLOTS, FrameRing


@pytest.fixture
def ring() -> FrameRing:
    return FrameRing.create(max_pixels=64 * 48)


def pixels(value: int, *, height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_each_slot_holds_a_picture_of_its_own_size(ring: FrameRing) -> None:
    for slot in range(SLOTS):
        ring.put(slot, pixels(slot, height=48 - slot))
    for slot in range(SLOTS):
        taken = ring.take(slot, height=48 - slot, width=64)
        assert np.array_equal(taken, pixels(slot, height=48 - slot))
    ring.close()
    ring.close()


def test_a_taken_picture_is_a_copy(ring: FrameRing) -> None:
    ring.put(0, pixels(1))
    taken = ring.take(0, height=48, width=64)
    ring.put(0, pixels(2))
    assert taken.max() == 1
    ring.close()
    assert taken.max() == 1


def test_another_mapping_of_the_same_memory_shows_the_picture(ring: FrameRing) -> None:
    other = FrameRing(os.dup(ring.descriptor), max_pixels=64 * 48)
    other.put(2, pixels(7))
    assert ring.take(2, height=48, width=64).min() == 7
    other.close()
    ring.close()


def test_a_picture_that_is_too_large_is_refused(ring: FrameRing) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        ring.put(0, pixels(1, height=480, width=640))
    ring.close()


@pytest.mark.parametrize(
    ("slot", "height", "width"), [(-1, 1, 1), (SLOTS, 1, 1), (0, 0, 5), (0, 5, -5), (0, 10**6, 10**6)]
)
def test_the_other_side_cannot_make_this_side_read_out_of_bounds(
    ring: FrameRing, slot: int, height: int, width: int
) -> None:
    with pytest.raises(ValueError, match="no picture"):
        ring.take(slot, height=height, width=width)
    ring.close()


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="only Linux can seal memory")
@pytest.mark.parametrize("size", [mmap.PAGESIZE, 2**30])
def test_the_other_side_cannot_shrink_the_memory(ring: FrameRing, size: int) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(ring.descriptor, size)
    ring.close()


def test_systems_without_sealed_memory_use_an_unnamed_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    ring = FrameRing.create(max_pixels=64 * 48)
    ring.put(3, pixels(9))
    assert ring.take(3, height=48, width=64).min() == 9
    assert os.fstat(ring.descriptor).st_nlink == 0
    ring.close()
