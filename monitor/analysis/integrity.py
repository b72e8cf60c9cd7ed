"""Frame -> Hint: does the stream itself look tampered with, or unreliable?

What is found here is told beside the verdicts and never moves one: there are innocent causes for each.
Everything runs on what a frame carries (pixels, media time, time of arrival) and on the source's count of disordered
time stamps, so the same frames and counts give the same hints. Thresholds were set on real clips, see
docs/measurements.md:

    frozen      the picture of a live source stays the same for 2 s while frames come. Neighbouring frames of a
                camera differ by its noise; what an encoder makes of a frozen picture differs only where it
                refreshes the picture, in bursts. A codec that removes all noise of a scene in which nothing moves
                looks the same. Screens are left out: they do stand still.
    looped      1 s or more repeats what was shown up to two minutes ago. Small pictures (16 x 9 grey levels, brightness
                and contrast taken out) of a passage and of its repetition differ far less than the passage's own
                frames do among each other: by a ratio of 0.1 and less after H.264, against 0.16 and more in
                genuine footage. Without movement nothing can be told, and nothing is.
    cadence     over three times 10 s, the media time of a live source moves off its arrival steadily (a stall is one
                step, a playlist a saw-tooth), or frames come faster than twice and a half the announced rate.
"""

import re
from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import Final

import cv2
import numpy as np

from monitor.types import Floats, Frame, Hint, HintKind, Pixels, SourceInfo

_COLUMNS, _ROWS = 320, 180  # of the pixels that are looked at, at most

_STILL = 0.05  # grey levels (mean difference) under which a frame is the one before it
_REFRESHED = 2.5  # grey levels by which a frozen picture may differ from its first frame, after refreshes
_BURST, _BETWEEN = 0.3, 0.8  # seconds that a refresh may take; from one to the next
_FROZEN, _COME = 2.0, 10  # seconds; frames that came meanwhile, at least

_WIDTH, _HEIGHT = 16, 9
_CONTRAST = 32.0  # standard deviation of a fingerprint
_FLAT = 3.0  # grey levels (standard deviation) under which there is nothing to compare
_MEMORY = 120.0  # seconds
_CAPACITY = 4096  # fingerprints
_APART = 0.03  # seconds between two fingerprints
_NEAR = 0.06  # seconds by which a repetition may come early or late: network cameras and browsers are uneven
_LEAST, _SHORTEST = 0.3, 1.0  # seconds: lags that are followed; those that are no mere trembling
_LOOK = 0.2  # seconds between two searches
_SAME = 1.5  # mean squared difference of two fingerprints of one picture, at most
_CLEARLY = 0.3  # of such differences
_MOVING = 0.6  # the same between frames 0.2 s apart, at least, where something moves
_VARIED = 1.0  # the same, of a passage about its mean
_RATIO, _HALF = 0.08, 0.5
_FOLLOWED = 8  # lags at a time
_LONGEST = 3.0  # seconds of a passage that are looked at together
_COUNT = 10  # frames of a passage, at least
_PATIENCE = 0.5  # seconds without a match that end a passage

_WINDOW = 10.0  # seconds of arrival
_DRIFT = 3.0  # seconds of media time more or less than that, in two windows one after the other
_FASTER = 2.5  # times the announced rate
_FEW = 20  # frames in a window: too few to tell

_HELD = 10.0  # seconds of media time that a momentary hint is shown

_PROGRAMS: Final = re.compile(
    r"virtual|v4l2.?loopback|dummy video|\bobs\b|manycam|snap camera|xsplit|vcam|mmhmm|nvidia broadcast|droidcam"
    r"|logi capture|camtwist|iriun|epoccam|camo\b|streamlabs|sparkocam|webcamoid|akvcam|unity video capture"
    r"|youcam|chromacam|splitcam|altercam|deepfacelive|avatarify|facerig|animaze|ivcam|ndi (?:video|webcam)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Found:
    since: float  # media time
    detail: str = ""


class Integrity:
    """Hints on one stream.

    Args:
        info: of the source; None: nothing is known of it, and it counts as a file.
    """

    def __init__(self, info: SourceInfo | None = None) -> None:
        live, kind = (info.live, info.kind) if info is not None else (False, "file")
        self.active: tuple[Hint, ...] = ()
        self._camera = _virtual(info)
        watched = kind not in ("folder", "image", "screen")
        self._freeze = _Freeze() if live and watched else None
        self._loop = _Loop() if watched else None
        self._cadence = _Cadence(info.fps) if info is not None and live else None
        self._sizes = _Sizes() if kind not in ("folder", "image") else None
        self._stamps = _Stamps()

    def update(self, frame: Frame, *, disordered: int = 0) -> tuple[Hint, ...]:
        """The hints that begin with this frame, and those that end with it; all that hold are ``active``.

        Args:
            frame: the next one.
            disordered: the source's count of disordered time stamps, up to this frame.
        """
        found = {kind: what for kind, what in self._looked_at(frame, disordered).items() if what is not None}
        now = frame.media_time
        before = {hint.kind: hint for hint in self.active}
        ended = [
            Hint(kind, hint.start, max(hint.start, now), hint.detail)
            for kind, hint in before.items()
            if kind not in found
        ]
        begun = {kind: Hint(kind, what.since, None, what.detail) for kind, what in found.items() if kind not in before}
        self.active = tuple(before.get(kind) or begun[kind] for kind in found)
        return (*ended, *begun.values())

    def _looked_at(self, frame: Frame, disordered: int) -> dict[HintKind, _Found | None]:
        grid = _grid(frame.pixels) if self._loop is not None or self._freeze is not None else None
        now = frame.media_time
        return {
            HintKind.VIRTUAL_CAMERA: self._camera,
            HintKind.RESOLUTION_CHANGED: self._sizes.update(frame) if self._sizes else None,
            HintKind.DUPLICATED_PTS: self._stamps.update(now, disordered),
            HintKind.IMPOSSIBLE_CADENCE: self._cadence.update(frame) if self._cadence else None,
            HintKind.FROZEN: self._freeze.update(grid, now) if self._freeze and grid is not None else None,
            HintKind.LOOPED: self._loop.update(grid, now) if self._loop and grid is not None else None,
        }


def _virtual(info: SourceInfo | None) -> _Found | None:
    if info is None or not (info.virtual or _PROGRAMS.search(info.device)):
        return None
    return _Found(0.0, info.device)


def _grid(pixels: Pixels) -> Pixels:
    """The green of pixels at even distances, (180, 320) at most: not averaged, so that noise stays noise."""
    height, width = pixels.shape[:2]
    return np.ascontiguousarray(pixels[:: -(-height // _ROWS), :: -(-width // _COLUMNS), 1])


class _Sizes:
    """Has the picture's size changed lately?"""

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None
        self._found: _Found | None = None

    def update(self, frame: Frame) -> _Found | None:
        size, before = (frame.width, frame.height), self._size
        self._size = size
        if before is not None and before != size:
            detail = f"{before[0]} x {before[1]} to {size[0]} x {size[1]}"
            self._found = _Found(frame.media_time, detail)
        if self._found is not None and frame.media_time - self._found.since > _HELD:
            self._found = None
        return self._found


class _Stamps:
    """Have time stamps repeated or run back lately?"""

    def __init__(self) -> None:
        self._seen = 0
        self._last = -_HELD
        self._found: _Found | None = None

    def update(self, now: float, count: int) -> _Found | None:
        if count > self._seen:
            self._last = now
            self._found = self._found or _Found(now)
        self._seen = count
        if now - self._last > _HELD:
            self._found = None
        return self._found


class _Freeze:
    """Does the picture stand still?"""

    def __init__(self) -> None:
        self._before: Pixels | None = None
        self._first: Pixels | None = None  # of the stretch in which nothing changed
        self._since = 0.0
        self._burst = 0.0  # when a refresh last began, or the stretch
        self._count = 0  # frames of the stretch
        self._frozen = False

    def update(self, grid: Pixels, now: float) -> _Found | None:
        before, self._before = self._before, grid
        self._count += 1
        if before is None or self._first is None or before.shape != grid.shape:
            self._begin(grid, now)
        elif _difference(before, grid) <= _STILL:
            self._frozen = self._frozen or (now - self._since >= _FROZEN and self._count >= _COME)
        elif not self._in_burst(now) or _difference(self._first, grid) > _REFRESHED:
            self._begin(grid, now)
        return _Found(self._since) if self._frozen else None

    def _begin(self, grid: Pixels, now: float) -> None:
        self._first, self._since, self._count, self._frozen = grid, now, 1, False
        self._burst = now - _BURST  # none so soon after movement

    def _in_burst(self, now: float) -> bool:
        """Whether a change may belong to a refresh: the one under way, or one that begins now."""
        if now - self._burst >= _BETWEEN:
            self._burst = now
        return now - self._burst < _BURST


def _difference(one: Pixels, other: Pixels) -> float:
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size


class _Cadence:
    """Does media time pass as frames arrive, and at the rate that was announced?"""

    def __init__(self, fps: float | None) -> None:
        self._fps = fps
        self._start: tuple[float, float, int] | None = None  # of the window: arrival, media time, index
        self._drifts: list[float] = []  # media time less arrival, of the frames in the window
        self._medians: deque[tuple[float, float]] = deque(maxlen=3)  # when a window began, its drift
        self._found: _Found | None = None

    def update(self, frame: Frame) -> _Found | None:
        arrival, now = frame.captured_at.timestamp(), frame.media_time
        if self._start is None or arrival < self._start[0]:  # the first, or the clock was set back
            self._begin(frame)
            self._medians.clear()
        elif arrival - self._start[0] >= _WINDOW:
            self._found = self._judged(frame)
            self._begin(frame)
        self._drifts.append(now - arrival)
        return self._found

    def _begin(self, frame: Frame) -> None:
        self._start = (frame.captured_at.timestamp(), frame.media_time, frame.index)
        self._drifts = []

    def _judged(self, frame: Frame) -> _Found | None:
        """What the window that is over comes to, with the two before it."""
        if self._start is None or len(self._drifts) < _FEW:
            self._medians.clear()
            return None
        _, began, index = self._start
        self._medians.append((began, median(self._drifts)))
        if self._fps is not None and frame.media_time > began:
            rate = (frame.index - index) / (frame.media_time - began)
            if rate > _FASTER * self._fps:
                return self._kept(began, f"{rate:.0f} frames/s where {self._fps:.0f} were announced")
        if len(self._medians) < 3:
            return None
        (since, first), (_, second), (_, third) = self._medians
        if abs(second - first) >= _DRIFT and abs(third - second) >= _DRIFT and (second > first) == (third > second):
            way = "faster" if third > second else "slower"
            return self._kept(since, f"its clock runs {way} than frames arrive")
        return None

    def _kept(self, since: float, detail: str) -> _Found:
        return self._found or _Found(since, detail)


class _Loop:
    """Is a passage shown again?"""

    def __init__(self) -> None:
        self._memory = _Memory()
        self._passages: list[_Passage] = []  # that may be repetitions
        self._looked_at = -_LOOK
        self._found: tuple[_Passage, _Found] | None = None

    def update(self, grid: Pixels, now: float) -> _Found | None:
        memory = self._memory
        if now - memory.newest >= _APART:
            seen = _fingerprint(grid)
            if seen is not None:
                self._follow(seen, now)
                memory.add(seen, now)
            elif self._found is not None and now - self._found[0].last > _PATIENCE:
                self._found = None
        return self._found[1] if self._found is not None else None

    def _follow(self, seen: Floats, now: float) -> None:
        steps = self._memory.errors(seen, now - _LOOK)
        for passage in self._passages:
            passage.add(seen, self._memory.errors(seen, now - passage.lag), steps, now=now)
        if self._found is not None:
            if now - self._found[0].last <= _PATIENCE:
                return
            self._found = None
        self._passages = [passage for passage in self._passages if passage.holds(now)]
        told = next((passage for passage in self._passages if passage.repeats(now)), None)
        if told is not None:
            detail = f"the same pictures as {told.lag:.1f} s before"
            self._found, self._passages = (told, _Found(told.since, detail)), [told]
        elif now - self._looked_at >= _LOOK:
            self._looked_at = now
            self._look(seen, now)

    def _look(self, seen: Floats, now: float) -> None:
        """Follow one more lag, if a picture like this was shown before."""
        lag = self._memory.lag_of(seen, now)
        if lag is not None and all(abs(passage.lag - lag) > _NEAR for passage in self._passages):
            self._passages = [*self._passages[-_FOLLOWED + 1 :], _Passage(lag, now)]


class _Passage:
    """A passage that has looked so far like what was shown ``lag`` seconds before."""

    def __init__(self, lag: float, now: float) -> None:
        self.lag = lag
        self.last = now  # when it last matched
        self._broken = False
        self._begin(now)

    def _begin(self, now: float) -> None:
        self.since = now
        self._count = self._moving = 0
        self._sum = np.zeros(_WIDTH * _HEIGHT)
        self._squares = self._error = 0.0

    def add(self, seen: Floats, errors: Floats, steps: Floats, *, now: float) -> None:
        """Take in a frame, and how far it is off those that it may repeat, and those shortly before."""
        if not len(errors) or not len(steps):  # they were not seen
            return
        error = float(errors.min())
        if error > _SAME:
            self._broken = True
            return
        if now - self.since > _LONGEST:
            self._begin(now)
        self.last = now
        self._count += 1
        self._moving += bool(steps.max() >= _MOVING)
        self._sum += seen
        self._squares += float(seen @ seen) / len(seen)
        self._error += error

    def holds(self, now: float) -> bool:
        """Whether it has matched all the time."""
        return not self._broken and now - self.last <= _PATIENCE

    def repeats(self, now: float) -> bool:
        """Whether it is long, and varied and alike enough to be no coincidence."""
        if self.lag < _SHORTEST or now - self.since < _SHORTEST or self._count < _COUNT:
            return False
        variance = self._squares / self._count - float(self._sum @ self._sum) / self._count**2 / len(self._sum)
        alike = self._error / self._count <= _RATIO * 2 * variance
        return alike and variance >= _VARIED and self._moving >= _HALF * self._count


class _Memory:
    """Fingerprints of the last two minutes, oldest first."""

    def __init__(self) -> None:
        rows = _CAPACITY + _CAPACITY // 4
        self._prints = np.empty((rows, _WIDTH * _HEIGHT), np.float32)
        self._times = np.empty(rows)
        self._end = 0
        self.newest = -np.inf  # media time

    def add(self, seen: Floats, now: float) -> None:
        if self._end == len(self._times):
            for array in (self._prints, self._times):
                array[:_CAPACITY] = array[-_CAPACITY:]
            self._end = _CAPACITY
        self._prints[self._end], self._times[self._end] = seen, now
        self._end += 1
        self.newest = now

    def errors(self, seen: Floats, time: float) -> Floats:
        """Mean squared differences from all that was seen about then."""
        start, end = np.searchsorted(self._times[: self._end], (time - _NEAR, time + _NEAR))
        return self._errors(seen, start, end)

    def _errors(self, seen: Floats, start: int, end: int) -> Floats:
        return np.asarray(2.0 * (_CONTRAST**2 - self._prints[start:end] @ seen / len(seen)), np.float32)

    def lag_of(self, seen: Floats, now: float) -> float | None:
        """How long ago a picture like this was shown last; None if it was not."""
        start, end = np.searchsorted(self._times[: self._end], (now - _MEMORY, now - _LEAST))
        if start >= end:
            return None
        errors = self._errors(seen, start, end)
        least = float(errors.min())
        if least > _SAME:
            return None
        row = int(np.flatnonzero(errors <= least + _CLEARLY)[-1])
        while row > 0 and errors[row - 1] < errors[row]:
            row -= 1
        return now - float(self._times[start + row])


def _fingerprint(grid: Pixels) -> Floats | None:
    """(144,) grey levels of mean 0 and standard deviation 32; None for a flat picture."""
    small = cv2.resize(grid.astype(np.float32), (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA).ravel()
    small -= small.mean()
    contrast = float(small @ small / len(small)) ** 0.5
    return None if contrast < _FLAT else np.asarray(small * (_CONTRAST / contrast), np.float32)
