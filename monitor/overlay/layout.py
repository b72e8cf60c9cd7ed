"""Places plates inside the frame, beside their face, without covering each other or other faces.

The dashboard's ``viewer/layout.js`` uses the same algorithm; ``tests/overlay/layout.json`` tests both.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_PLATE_COST = 8.0  # cost of covering a whole plate; covering a whole face costs 1
_SIDE_COST = 0.03  # cost per step down the list of sides
_MOVE_COST = 0.25  # cost of changing the side of the previous frame, to avoid flicker
_GAP = 3.0  # distance between a box and its plate, in units of the frame
_MIN_LEADER = 8.0  # the same for leader lines: a closer plate needs no line

Point = tuple[float, float]  # x y


def unit_of(width: float, height: float) -> float:
    """The width of a plain line in pixels, for a frame of that size."""
    return max(1.0, min(width, height) / 420)


class Rectangle(NamedTuple):
    """A rectangle in pixels; x to the right, y down."""

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
        """Share of this rectangle covered by ``other``, 0..1."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(wide, 0.0) * max(high, 0.0) / max(self.width * self.height, 1.0)

    def towards(self, other: "Rectangle") -> tuple[Point, Point]:
        """The shortest line from this rectangle to ``other``: start and end, x y."""
        xs = _closest((self.left, self.right), (other.left, other.right))
        ys = _closest((self.top, self.bottom), (other.top, other.bottom))
        return (xs[0], ys[0]), (xs[1], ys[1])

    def inside(self, width: float, height: float) -> "Rectangle":
        """The rectangle moved into a frame of that size; a larger one starts at the frame's edge."""
        left = max(0.0, min(self.left, width - self.width))
        return self._replace(left=left, top=max(0.0, min(self.top, height - self.height)))


def _closest(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """The pair of closest points of two intervals; the middle of the overlap if there is one."""
    if one[1] < other[0]:
        return one[1], other[0]
    if other[1] < one[0]:
        return one[0], other[1]
    middle = (max(one[0], other[0]) + min(one[1], other[1])) / 2
    return middle, middle


def leader(box: Rectangle, plate: Rectangle, *, frame: tuple[int, int]) -> tuple[Point, Point] | None:
    """The leader line from a box to a distant plate: start and end; None for a plate beside its box."""
    start, end = box.towards(plate)
    return (start, end) if math.dist(start, end) > _MIN_LEADER * unit_of(*frame) else None


def _sides(box: Rectangle, plate: tuple[int, int], gap: float) -> Iterator[Rectangle]:
    """Places for a plate around (and inside) a face's box, best first; last the second row above and below."""
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
    """Places the plates of consecutive frames; a plate keeps its side of the face if possible."""

    def __init__(self) -> None:
        self._sides: dict[int, int] = {}

    def place(
        self,
        plates: Sequence[tuple[int, tuple[int, int]]],
        boxes: Sequence[Rectangle],
        *,
        frame: tuple[int, int],
        taken: Sequence[Rectangle],
        bare: Sequence[Rectangle] = (),
    ) -> list[Rectangle]:
        """A place for each plate; earlier plates have priority.

        Args:
            plates: track id and (width, height) of each plate.
            boxes: the face of each plate.
            frame: width and height of the frame.
            taken: areas that must stay free, such as the status line.
            bare: the faces without a plate.
        """
        before, self._sides = self._sides, {}
        placed, gap = list(taken), _GAP * unit_of(*frame)
        faces = [*boxes, *bare]
        for (track, size), box in zip(plates, boxes, strict=True):
            spots = [spot.inside(*frame) for spot in _sides(box, size, gap)]
            costs = [
                _PLATE_COST * sum(other.covered_by(spot) for other in placed)
                + sum(face.covered_by(spot) for face in faces)
                + _SIDE_COST * side
                + _MOVE_COST * (before.get(track, side) != side)
                for side, spot in enumerate(spots)
            ]
            best = costs.index(min(costs))
            self._sides[track] = best
            placed.append(spots[best])
        return placed[len(taken) :]
