"""Where plates go: inside the frame, beside their face, off each other and off other faces.

The dashboard's ``viewer/layout.js`` places the same rectangles: ``tests/overlay/layout.json`` holds both to them.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_PLATE_COVERED = 8.0  # what covering all of a plate costs, against 1 for all of a face
_NEXT_SIDE = 0.03  # what each step down the list of sides costs
_MOVING = 0.25  # what leaving the side of the frame before costs: plates do not flicker
_GAP = 3.0  # between a box and its plate, times the frame's unit
_SHORTEST_LEADER = 8.0  # likewise: a plate that is closer to its box needs no line

Point = tuple[float, float]  # x y


def unit_of(width: float, height: float) -> float:
    """The width of a plain line in pixels, for a frame of that size."""
    return max(1.0, min(width, height) / 420)


class Rectangle(NamedTuple):
    """Pixels; x to the right, y down."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def covered_by(self, other: "Rectangle") -> float:
        """The share of this one that lies under ``other``, 0..1."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(wide, 0.0) * max(high, 0.0) / max(self.width * self.height, 1.0)

    def towards(self, other: "Rectangle") -> tuple[Point, Point]:
        """The shortest line from this one to ``other``: start and end, x y."""
        xs = _between((self.left, self.right), (other.left, other.right))
        ys = _between((self.top, self.bottom), (other.top, other.bottom))
        return (xs[0], ys[0]), (xs[1], ys[1])

    def inside(self, width: float, height: float) -> "Rectangle":
        """Moved into a frame of that size; what is larger starts at its edge."""
        left = max(0.0, min(self.left, width - self.width))
        return self._replace(left=left, top=max(0.0, min(self.top, height - self.height)))


def _between(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """Where two intervals are closest to each other; the middle of what they share if they overlap."""
    if one[1] < other[0]:
        return one[1], other[0]
    if other[1] < one[0]:
        return one[0], other[1]
    middle = (max(one[0], other[0]) + min(one[1], other[1])) / 2
    return middle, middle


def leader(box: Rectangle, plate: Rectangle, *, frame: tuple[int, int]) -> tuple[Point, Point] | None:
    """The line that joins a box to a plate which found no place beside it: start and end; None for the others."""
    start, end = box.towards(plate)
    return (start, end) if math.dist(start, end) > _SHORTEST_LEADER * unit_of(*frame) else None


def _sides(box: Rectangle, plate: tuple[int, int], gap: float) -> Iterator[Rectangle]:
    """The places of a plate around (and inside) a face's box, best first; at last the second row above and below."""
    width, height = plate
    above, below, flush_right = box.top - gap - height, box.bottom + gap, box.right - width
    yield Rectangle(box.left, above, width, height)
    yield Rectangle(box.left, below, width, height)
    yield Rectangle(flush_right, above, width, height)
    yield Rectangle(flush_right, below, width, height)
    yield Rectangle(box.right + gap, box.top, width, height)
    yield Rectangle(box.left - gap - width, box.top, width, height)
    yield Rectangle(box.left + gap, box.top + gap, width, height)
    for left in (box.left, flush_right):
        yield Rectangle(left, above - gap - height, width, height)
        yield Rectangle(left, below + gap + height, width, height)


class Layout:
    """Places the plates of frame after frame; a plate keeps its side of the face while it can."""

    def __init__(self) -> None:
        self._sides: dict[int, int] = {}

    def place(
        self,
        plates: Sequence[tuple[int, tuple[int, int]]],
        boxes: Sequence[Rectangle],
        *,
        frame: tuple[int, int],
        taken: Sequence[Rectangle],
    ) -> list[Rectangle]:
        """A place for each plate, earlier ones first.

        Args:
            plates: track id and (width, height) of each plate.
            boxes: the face of each plate.
            frame: width and height of the frame.
            taken: what must not be covered, such as the status line.
        """
        before, self._sides = self._sides, {}
        placed, gap = list(taken), _GAP * unit_of(*frame)
        for (track, size), box in zip(plates, boxes, strict=True):
            spots = [spot.inside(*frame) for spot in _sides(box, size, gap)]
            costs = [
                _PLATE_COVERED * sum(other.covered_by(spot) for other in placed)
                + sum(face.covered_by(spot) for face in boxes)
                + _NEXT_SIDE * side
                + _MOVING * (before.get(track, side) != side)
                for side, spot in enumerate(spots)
            ]
            best = costs.index(min(costs))
            self._sides[track] = best
            placed.append(spots[best])
        return placed[len(taken) :]
