import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.runtime.frame_buffer import ANALYSIS_BEHIND, STOPPED, FrameBuffer, OverflowPolicy


def test_items_come_out_in_order_and_iteration_ends_at_close() -> None:
    buffer: FrameBuffer[int] = FrameBuffer(3, OverflowPolicy.WAIT)
    for item in (1, 2, 3):
        assert buffer.put(item)
    buffer.close()
    assert list(buffer) == [1, 2, 3]
    assert sum(buffer.drops.values()) == 0


def test_the_oldest_item_is_dropped_and_counted() -> None:
    buffer: FrameBuffer[int] = FrameBuffer(2, OverflowPolicy.DROP_OLDEST)
    for item in range(10):
        buffer.put(item)
    buffer.close()
    assert list(buffer) == [8, 9]
    assert buffer.drops == {ANALYSIS_BEHIND: 8}


def test_a_waiting_writer_loses_nothing() -> None:
    buffer: FrameBuffer[int] = FrameBuffer(2, OverflowPolicy.WAIT)

    def write() -> None:
        for item in range(200):
            buffer.put(item)
        buffer.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert list(buffer) == list(range(200))
    writer.join(5)
    assert not writer.is_alive()


def test_the_writers_failure_reaches_the_reader_after_the_items() -> None:
    buffer: FrameBuffer[int] = FrameBuffer(4, OverflowPolicy.WAIT)
    buffer.put(1)
    buffer.close(OSError("camera gone"))
    seen = []
    with pytest.raises(OSError, match="camera gone"):
        seen.extend(iter(buffer))  # extend keeps the items before the failure
    assert seen == [1]


def test_stop_frees_a_waiting_writer_and_counts_pending_items() -> None:
    buffer: FrameBuffer[int] = FrameBuffer(1, OverflowPolicy.WAIT)
    buffer.put(1)
    accepted: list[bool] = []
    writer = threading.Thread(target=lambda: accepted.append(buffer.put(2)))
    writer.start()
    buffer.stop()
    writer.join(5)
    assert not writer.is_alive()
    assert accepted == [False]
    assert buffer.drops == {STOPPED: 2}
    assert list(buffer) == []


def test_a_capacity_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        FrameBuffer(0, OverflowPolicy.WAIT)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5), st.lists(st.booleans(), max_size=60))
def test_every_item_is_read_or_counted(capacity: int, script: list[bool]) -> None:
    """True puts an item, False reads one if there is any: no item is lost."""
    buffer: FrameBuffer[int] = FrameBuffer(capacity, OverflowPolicy.DROP_OLDEST)
    reader = iter(buffer)
    put = read = 0
    for write in script:
        if write:
            buffer.put(put)
            put += 1
        elif put - read - buffer.drops.get(ANALYSIS_BEHIND, 0) > 0:
            next(reader)
            read += 1
    buffer.close()
    read += len(list(reader))
    assert put == read + sum(buffer.drops.values())
