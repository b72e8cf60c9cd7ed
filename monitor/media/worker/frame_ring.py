"""Shared memory between two processes: a few slots, each as large as the largest allowed picture."""

import mmap
import os
import tempfile
from typing import Final

import numpy as np

from monitor.types import Pixels

SLOTS: Final = 4
_CHANNELS: Final = 3


class FrameRing:
    """The slots; messages over the IPC channel decide which side may use a slot. Unwritten pages use no memory.

    Args:
        descriptor: of the shared memory; the ring closes it.
        max_pixels: largest picture that fits into a slot.
    """

    def __init__(self, descriptor: int, *, max_pixels: int) -> None:
        self.descriptor = descriptor
        self._slot_bytes = _slot_bytes(max_pixels)
        self._memory = mmap.mmap(descriptor, SLOTS * self._slot_bytes)
        self._closed = False

    @classmethod
    def create(cls, *, max_pixels: int) -> "FrameRing":
        """Create shared memory that is freed with its last user; neither side can change its size."""
        size = SLOTS * _slot_bytes(max_pixels)
        if hasattr(os, "memfd_create"):
            import fcntl

            descriptor = os.memfd_create("frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(descriptor, size)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        else:
            with tempfile.TemporaryFile() as file:
                file.truncate(size)
                descriptor = os.dup(file.fileno())
        return cls(descriptor, max_pixels=max_pixels)

    def put(self, slot: int, pixels: Pixels) -> None:
        """Write a picture into a slot.

        Raises:
            ValueError: the picture is larger than a slot.
        """
        if pixels.nbytes > self._slot_bytes:
            raise ValueError(f"{pixels.nbytes} bytes do not fit into a slot of {self._slot_bytes}")
        self._view(slot, pixels.shape[0], pixels.shape[1])[:] = pixels

    def take(self, slot: int, *, height: int, width: int) -> Pixels:
        """A copy of the picture in a slot.

        Raises:
            ValueError: the slot does not exist, or cannot hold a picture of this size.
        """
        if slot not in range(SLOTS) or min(height, width) < 1 or height * width * _CHANNELS > self._slot_bytes:
            raise ValueError(f"no picture of {width} x {height} pixels can be in slot {slot}")
        return self._view(slot, height, width).copy()

    def _view(self, slot: int, height: int, width: int) -> Pixels:
        count = height * width * _CHANNELS
        return np.frombuffer(self._memory, np.uint8, count, slot * self._slot_bytes).reshape(height, width, _CHANNELS)

    def close(self) -> None:
        """Release the memory; may be called twice."""
        if not self._closed:
            self._closed = True
            self._memory.close()
            os.close(self.descriptor)


def _slot_bytes(max_pixels: int) -> int:
    """Bytes per slot, rounded up to whole pages."""
    return -(-max_pixels * _CHANNELS // mmap.PAGESIZE) * mmap.PAGESIZE
