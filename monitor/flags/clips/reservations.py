"""The parts of a ring buffer that pending clips need.

A ring drops its oldest pictures as new ones arrive, while a busy machine writes a clip long after its last second. A
reservation therefore keeps the pictures of one clip from the moment of the flag until the clip is written.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, Generic, Protocol, Self, TypeVar

from monitor.errors import SourceError
from monitor.media.clip import Clip

_TOLERANCE: Final = 1e-3  # seconds; media times of a flag may be rounded


class BufferUnit(Protocol):
    """The smallest part of a ring that is dropped: a picture, or a key frame with the packets up to the next one."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def begin(self) -> float | None:
        """Media time of its first picture, seconds; None until that picture is decoded."""


Unit = TypeVar("Unit", bound=BufferUnit)


class ClipReservation(Generic[Unit]):
    """The pictures of one clip; any thread may save and release them. Times are media time in seconds."""

    def __init__(self, start: float, moment: float, end: float, *, owner: "ClipReservations[Unit]") -> None:
        self.start, self.moment, self.end = start, moment, end
        self.units: list[Unit] = []
        self.is_open = True  # further pictures of the span may arrive
        self.is_reduced = False  # units were dropped
        self._owner = owner

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def save(self, path: Path) -> Clip:
        """Writes the clip, as far as its pictures were buffered; the result states its real span.

        Args:
            path: of the clip; deleted after a failure.

        Raises:
            OutputError: the disk is full or missing.
            SourceError: the span has no picture, or the clip cannot be written.
        """
        return self._owner.write(self, path)

    def release(self) -> None:
        """Drops the pictures; does nothing if they were dropped before."""
        self._owner.release(self)

    @property
    def moment_unit(self) -> Unit | None:
        """The unit that contains the flagged moment; None if there are no units."""
        return _last_unit(self.units, self.moment) or next(iter(self.units), None)

    def drop(self, unit: Unit) -> list[Unit]:
        """Drops a unit and those that it separates from the flagged moment, so that the clip has no gap.

        Returns:
            All dropped units.
        """
        if unit not in self.units:
            return []
        place, units, kept = self.units.index(unit), self.units, self.moment_unit
        centre = place if kept is None else units.index(kept)
        if place < centre:
            self.units = units[place + 1 :]
        else:
            self.units = units[:place] if place > centre else []
            self.is_open = False
        self.is_reduced = True
        return [each for each in units if each not in self.units]


class ClipReservations(Generic[Unit]):
    """All reservations of one ring; usable from any thread.

    Beyond ``max_bytes``, the clips lose their seconds before and after the flagged moment first, the earliest flags
    before the later ones. Only if that is not enough, the earliest clips are dropped.

    Args:
        max_bytes: of the reserved units, never exceeded. A unit of several reservations counts once.
        write: writes units from a start to an end (media time, seconds).
    """

    def __init__(self, *, max_bytes: int, write: Callable[[Path, Sequence[Unit], float, float], Clip]) -> None:
        self._max_bytes, self._write = max_bytes, write
        self._lock = threading.Lock()
        self._reservations: list[ClipReservation[Unit]] = []
        self._uses: Counter[Unit] = Counter()  # reservations of each unit

    @property
    def size(self) -> int:
        """Bytes of the reserved units."""
        return sum(unit.size for unit in self._uses)

    def add(self, units: Sequence[Unit], *, start: float, moment: float, end: float) -> ClipReservation[Unit]:
        """Reserves the units of a span (media time, seconds), and those that still arrive for it.

        Args:
            units: all buffered units, the oldest first.
        """
        first = _last_unit(units, start)
        within = units[units.index(first) :] if first is not None else units
        reservation = ClipReservation(start, moment, end, owner=self)
        beyond = next((index for index, unit in enumerate(within) if (unit.begin or 0.0) > end), len(within))
        reservation.units = list(within[: beyond + 1])  # a later picture tells how long the last one was shown
        reservation.is_open = beyond == len(within)
        with self._lock:
            self._reservations.append(reservation)
            self._uses.update(reservation.units)
            self._fit()
        return reservation

    def extend(self, unit: Unit) -> None:
        """Adds a new unit to the reservations whose span is not over."""
        with self._lock:
            growing = [reservation for reservation in self._reservations if reservation.is_open]
            for reservation in growing:
                reservation.units.append(unit)
            if growing:
                self._uses[unit] = len(growing)
                self._fit()

    def fit(self) -> None:
        """Drops units beyond the limit; call it after a unit grew."""
        with self._lock:
            if self._reservations:
                self._fit()

    def close_before(self, media_time: float) -> None:
        """Ends the reservations whose span ends before this media time: all of their pictures have arrived."""
        with self._lock:
            for reservation in self._reservations:
                reservation.is_open = reservation.is_open and reservation.end >= media_time

    def release(self, reservation: ClipReservation[Unit]) -> None:
        """Drops a reservation."""
        with self._lock:
            self._drop_uses(reservation.units)
            reservation.units, reservation.is_open = [], False
            if reservation in self._reservations:
                self._reservations.remove(reservation)

    def write(self, reservation: ClipReservation[Unit], path: Path) -> Clip:
        """Writes the clip of a reservation."""
        with self._lock:
            units, is_reduced = list(reservation.units), reservation.is_reduced
        if is_reduced and not units:
            raise SourceError(
                "the pictures were dropped before the clip was written: the memory for waiting clips was full"
            )
        return self._write(path, units, reservation.start, reservation.end)

    def _drop_uses(self, units: Iterable[Unit]) -> None:
        for unit in units:
            self._uses[unit] -= 1
            if not self._uses[unit]:
                del self._uses[unit]

    def _fit(self) -> None:
        if self.size <= self._max_bytes:
            return
        moments = {reservation.moment_unit for reservation in self._reservations}
        for unit in sorted(self._uses, key=lambda unit: unit in moments):  # stable: the earliest flags first
            for reservation in self._reservations:
                self._drop_uses(reservation.drop(unit))
            if self.size <= self._max_bytes:
                return


def _last_unit(units: Sequence[Unit], media_time: float) -> Unit | None:
    """The last unit that begins at or before a media time; None without one."""
    begun = (unit for unit in reversed(units) if unit.begin is not None and unit.begin <= media_time + _TOLERANCE)
    return next(begun, None)
