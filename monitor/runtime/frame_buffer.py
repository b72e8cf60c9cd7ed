"""A bounded queue between two threads; its overflow policy is a named value, and every loss is counted."""

import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")

ANALYSIS_BEHIND = "analysis behind"
STOPPED = "stopped"


class OverflowPolicy(Enum):
    """The policy for a full buffer."""

    WAIT = "wait"  # the writer waits, so no item is lost (files)
    DROP_OLDEST = "drop oldest"  # the oldest item is dropped and counted (live sources)


class FrameBuffer(Generic[T]):
    """A bounded queue with one writer and one reader, on different threads.

    The reader iterates; the iteration ends after ``close()``, when the buffer is empty, and raises the
    writer's failure if there was one. After ``stop()`` both ends return immediately.
    """

    def __init__(self, capacity: int, when_full: OverflowPolicy) -> None:
        if capacity < 1:
            raise ValueError(f"a buffer holds at least one item, not {capacity}")
        self._capacity = capacity
        self._when_full = when_full
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._drops: Counter[str] = Counter()
        self._failure: BaseException | None = None
        self._closed = False
        self._stopped = False

    @property
    def drops(self) -> Mapping[str, int]:
        """Number of lost items by cause."""
        with self._changed:
            return dict(self._drops)

    def put(self, item: T, *, capacity: int | None = None) -> bool:
        """Add an item. Runs on the writer's thread.

        Args:
            capacity: number of waiting items, this one included; default: the buffer's capacity.

        Returns:
            False if the reader has stopped: the item counts as lost and the writer should end.
        """
        most = min(capacity or self._capacity, self._capacity)
        with self._changed:
            while not self._stopped and len(self._items) >= most:
                if self._when_full is OverflowPolicy.DROP_OLDEST:
                    self._items.popleft()
                    self._drops[ANALYSIS_BEHIND] += 1
                else:
                    self._changed.wait()
            if self._stopped:
                self._drops[STOPPED] += 1
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def close(self, failure: BaseException | None = None) -> None:
        """End the queue; the reader gets the remaining items, then ``failure`` if there is one."""
        with self._changed:
            self._closed = True
            self._failure = self._failure or failure
            self._changed.notify_all()

    def stop(self) -> None:
        """Stop reading: waiting items count as lost, and a waiting writer returns."""
        with self._changed:
            self._stopped = True
            self._drops[STOPPED] += len(self._items)
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """The items in order. Runs on the reader's thread; raises the writer's failure at the end."""
        while True:
            with self._changed:
                while not (self._items or self._closed or self._stopped):
                    self._changed.wait()
                if self._items:
                    item = self._items.popleft()
                    self._changed.notify_all()
                elif self._failure is not None and not self._stopped:
                    raise self._failure
                else:
                    return
            yield item
