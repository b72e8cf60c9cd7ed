"""Frame -> Hint: signs that the stream itself was manipulated or is unreliable.

Hints are shown beside the verdicts and never change one, because each hint also has harmless causes. All checks use
only the frame (pixels, media time, time of arrival) and the source's count of disordered timestamps, so the same
input gives the same hints. The thresholds were set on real clips, see docs/measurements.md:

    frozen      the picture of a live source stays the same for 2 s while frames arrive. Neighbouring frames of a
                camera differ by its noise; an encoded frozen picture changes only in the bursts in which the encoder
                refreshes it. A codec that removes all noise of a motionless scene looks the same. Screens are not
                checked, because they do stand still.
    looped      1 s or more repeats a passage of the last two minutes. Fingerprints (16 x 9 grey levels, normalised in
                brightness and contrast) of a passage and of its repetition differ far less than the passage's own
                frames differ from each other: by a ratio of 0.1 and less after H.264, against 0.16 and more in
                genuine footage. A passage without movement gives no hint.
    cadence     over three windows of 10 s, the media time of a live source drifts steadily from its arrival (a stall
                is one step, a playlist a saw-tooth), or the frame rate is above 2.5 times the announced rate.
"""

from collections import deque
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np

from monitor.analysis.virtual_cameras import is_virtual_camera
from monitor.types import Floats, Frame, Hint, HintKind, Pixels, SourceInfo

_COLUMNS, _ROWS = 320, 180  # largest size of the sampled pixels

_STILL_LIMIT = 0.05  # grey levels (mean difference) below which two frames count as equal
_REFRESH_LIMIT = 2.5  # grey levels by which a refreshed frozen picture may differ from its first frame
_BURST_TIME, _BURST_INTERVAL = 0.3, 0.8  # seconds: duration of a refresh; interval between refreshes
_FROZEN_TIME, _FROZEN_FRAMES = 2.0, 10  # seconds; minimum number of frames in that time

_WIDTH, _HEIGHT = 16, 9
_CONTRAST = 32.0  # standard deviation of a normalised fingerprint
_MIN_CONTRAST = 3.0  # grey levels (standard deviation) below which a picture has no usable structure
_MEMORY = 120.0  # seconds
_CAPACITY = 4096  # fingerprints
_PRINT_INTERVAL = 0.03  # seconds between two fingerprints
_JITTER = 0.06  # seconds of jitter in a repetition: network cameras and browsers are uneven
_MIN_LAG, _MIN_LOOP = 0.3, 1.0  # seconds: smallest lag to search; smallest lag and length of a loop
_SEARCH_INTERVAL = 0.2  # seconds between two searches
_MATCH_LIMIT = 1.5  # largest mean squared difference between fingerprints of the same picture
_MATCH_MARGIN = 0.3  # margin between two such differences
_MOVING_LIMIT = 0.6  # smallest difference between frames 0.2 s apart in a moving passage
_MIN_VARIANCE = 1.0  # smallest variance within a passage
_RATIO, _HALF = 0.08, 0.5
_MAX_LAGS = 8  # lags followed at a time
_PASSAGE_TIME = 3.0  # longest passage, seconds
_MIN_FRAMES = 10  # minimum number of frames in a passage
_MATCH_TIMEOUT = 0.5  # seconds without a match that end a passage

_WINDOW = 10.0  # seconds of arrival time per window
_DRIFT = 3.0  # seconds of drift per window, in two consecutive windows
_MAX_RATE = 2.5  # highest frame rate, as a multiple of the announced rate
_MIN_WINDOW_FRAMES = 20  # minimum number of frames in a window

_HINT_TIME = 10.0  # seconds of media time for which a momentary hint is shown


@dataclass(frozen=True, slots=True)
class _Finding:
    since: float  # media time
    detail: str = ""


class Integrity:
    """The hints on one stream.

    Args:
        info: of the source; None: unknown, treated as a file.
    """

    def __init__(self, info: SourceInfo | None = None) -> None:
        live, kind = (info.live, info.kind) if info is not None else (False, "file")
        self.active: tuple[Hint, ...] = ()
        self._camera = _Finding(0.0, info.device) if info is not None and is_virtual_camera(info) else None
        watched = kind not in ("folder", "image", "screen")
        self._freeze = _Freeze() if live and watched else None
        self._loop = _Loop() if watched else None
        self._cadence = _Cadence(info.fps) if info is not None and live else None
        self._sizes = _Sizes() if kind not in ("folder", "image") else None
        self._stamps = _Stamps()

    def update(self, frame: Frame, *, disordered: int = 0, turned: Hint | None = None) -> tuple[Hint, ...]:
        """The hints that start or end with this frame; ``active`` holds all current hints.

        Args:
            disordered: the source's count of disordered timestamps, up to this frame.
            turned: the hint that the picture is turned, if it is, from ``monitor.analysis.face_orientation``.
        """
        found = {kind: finding for kind, finding in self._check(frame, disordered).items() if finding is not None}
        if turned is not None:
            found[turned.kind] = _Finding(turned.start, turned.detail)
        now = frame.media_time
        before = {hint.kind: hint for hint in self.active}
        ended = [
            Hint(kind, hint.start, max(hint.start, now), hint.detail)
            for kind, hint in before.items()
            if kind not in found
        ]
        begun = {
            kind: Hint(kind, finding.since, None, finding.detail)
            for kind, finding in found.items()
            if kind not in before
        }
        self.active = tuple(before.get(kind) or begun[kind] for kind in found)
        return (*ended, *begun.values())

    def _check(self, frame: Frame, disordered: int) -> dict[HintKind, _Finding | None]:
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


def _grid(pixels: Pixels) -> Pixels:
    """Green values on a grid, (180, 320) at most: sampled, not averaged, to preserve the noise."""
    height, width = pixels.shape[:2]
    return np.ascontiguousarray(pixels[:: -(-height // _ROWS), :: -(-width // _COLUMNS), 1])


class _Sizes:
    """Detects a recent change of the picture's size."""

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None
        self._found: _Finding | None = None

    def update(self, frame: Frame) -> _Finding | None:
        size, before = (frame.width, frame.height), self._size
        self._size = size
        if before is not None and before != size:
            detail = f"{before[0]} x {before[1]} to {size[0]} x {size[1]}"
            self._found = _Finding(frame.media_time, detail)
        if self._found is not None and frame.media_time - self._found.since > _HINT_TIME:
            self._found = None
        return self._found


class _Stamps:
    """Detects recent timestamps that repeat or run back."""

    def __init__(self) -> None:
        self._seen = 0
        self._last = -_HINT_TIME
        self._found: _Finding | None = None

    def update(self, now: float, count: int) -> _Finding | None:
        if count > self._seen:
            self._last = now
            self._found = self._found or _Finding(now)
        self._seen = count
        if now - self._last > _HINT_TIME:
            self._found = None
        return self._found


class _Freeze:
    """Detects a frozen picture."""

    def __init__(self) -> None:
        self._before: Pixels | None = None
        self._first: Pixels | None = None  # first picture of the unchanged stretch
        self._since = 0.0
        self._burst = 0.0  # start of the last refresh, or of the stretch
        self._count = 0  # number of frames in the stretch
        self._frozen = False

    def update(self, grid: Pixels, now: float) -> _Finding | None:
        before, self._before = self._before, grid
        self._count += 1
        if before is None or self._first is None or before.shape != grid.shape:
            self._begin(grid, now)
        elif _difference(before, grid) <= _STILL_LIMIT:
            self._frozen = self._frozen or (now - self._since >= _FROZEN_TIME and self._count >= _FROZEN_FRAMES)
        elif not self._in_burst(now) or _difference(self._first, grid) > _REFRESH_LIMIT:
            self._begin(grid, now)
        return _Finding(self._since) if self._frozen else None

    def _begin(self, grid: Pixels, now: float) -> None:
        self._first, self._since, self._count, self._frozen = grid, now, 1, False
        self._burst = now - _BURST_TIME  # no refresh directly after movement

    def _in_burst(self, now: float) -> bool:
        """Whether a change at this time may belong to a refresh."""
        if now - self._burst >= _BURST_INTERVAL:
            self._burst = now
        return now - self._burst < _BURST_TIME


def _difference(one: Pixels, other: Pixels) -> float:
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size


class _Cadence:
    """Compares media time with arrival time and the frame rate with the announced one."""

    def __init__(self, fps: float | None) -> None:
        self._fps = fps
        self._start: tuple[float, float, int] | None = None  # of the window: arrival, media time, index
        self._drifts: list[float] = []  # media time minus arrival of each frame in the window
        self._medians: deque[tuple[float, float]] = deque(maxlen=3)  # start and median drift of a window
        self._found: _Finding | None = None

    def update(self, frame: Frame) -> _Finding | None:
        arrival, now = frame.captured_at.timestamp(), frame.media_time
        if self._start is None or arrival < self._start[0]:  # first frame, or the clock was set back
            self._begin(frame)
            self._medians.clear()
        elif arrival - self._start[0] >= _WINDOW:
            self._found = self._judge_window(frame)
            self._begin(frame)
        self._drifts.append(now - arrival)
        return self._found

    def _begin(self, frame: Frame) -> None:
        self._start = (frame.captured_at.timestamp(), frame.media_time, frame.index)
        self._drifts = []

    def _judge_window(self, frame: Frame) -> _Finding | None:
        """Evaluate the finished window together with the two before it."""
        if self._start is None or len(self._drifts) < _MIN_WINDOW_FRAMES:
            self._medians.clear()
            return None
        _, began, index = self._start
        self._medians.append((began, median(self._drifts)))
        if self._fps is not None and frame.media_time > began:
            rate = (frame.index - index) / (frame.media_time - began)
            if rate > _MAX_RATE * self._fps:
                return self._keep_first(began, f"{rate:.0f} frames/s where {self._fps:.0f} were announced")
        if len(self._medians) < 3:
            return None
        (since, first), (_, second), (_, third) = self._medians
        if abs(second - first) >= _DRIFT and abs(third - second) >= _DRIFT and (second > first) == (third > second):
            direction = "faster" if third > second else "slower"
            return self._keep_first(since, f"its clock runs {direction} than frames arrive")
        return None

    def _keep_first(self, since: float, detail: str) -> _Finding:
        return self._found or _Finding(since, detail)


class _Loop:
    """Detects a repeated passage."""

    def __init__(self) -> None:
        self._memory = _Memory()
        self._passages: list[_Passage] = []  # possible repetitions
        self._searched_at = -_SEARCH_INTERVAL
        self._found: tuple[_Passage, _Finding] | None = None

    def update(self, grid: Pixels, now: float) -> _Finding | None:
        memory = self._memory
        if now - memory.newest >= _PRINT_INTERVAL:
            fingerprint = _fingerprint(grid)
            if fingerprint is not None:
                self._follow(fingerprint, now)
                memory.add(fingerprint, now)
            elif self._found is not None and now - self._found[0].last > _MATCH_TIMEOUT:
                self._found = None
        return self._found[1] if self._found is not None else None

    def _follow(self, fingerprint: Floats, now: float) -> None:
        steps = self._memory.errors(fingerprint, now - _SEARCH_INTERVAL)
        for passage in self._passages:
            passage.add(fingerprint, self._memory.errors(fingerprint, now - passage.lag), steps, now=now)
        if self._found is not None:
            if now - self._found[0].last <= _MATCH_TIMEOUT:
                return
            self._found = None
        self._passages = [passage for passage in self._passages if passage.is_matching(now)]
        repetition = next((passage for passage in self._passages if passage.is_repetition(now)), None)
        if repetition is not None:
            detail = f"the same pictures as {repetition.lag:.1f} s before"
            self._found, self._passages = (repetition, _Finding(repetition.since, detail)), [repetition]
        elif now - self._searched_at >= _SEARCH_INTERVAL:
            self._searched_at = now
            self._search(fingerprint, now)

    def _search(self, fingerprint: Floats, now: float) -> None:
        """Follow one more lag if an earlier picture matches this one."""
        lag = self._memory.find_lag(fingerprint, now)
        if lag is not None and all(abs(passage.lag - lag) > _JITTER for passage in self._passages):
            self._passages = [*self._passages[-_MAX_LAGS + 1 :], _Passage(lag, now)]


class _Passage:
    """A passage that so far matches the pictures from ``lag`` seconds before."""

    def __init__(self, lag: float, now: float) -> None:
        self.lag = lag
        self.last = now  # time of the last match
        self._broken = False
        self._begin(now)

    def _begin(self, now: float) -> None:
        self.since = now
        self._count = self._moving = 0
        self._sum = np.zeros(_WIDTH * _HEIGHT)
        self._squares = self._error = 0.0

    def add(self, fingerprint: Floats, errors: Floats, steps: Floats, *, now: float) -> None:
        """Add a frame with its differences to the possibly repeated pictures and to the pictures just before."""
        if not len(errors) or not len(steps):  # no fingerprints at these times
            return
        error = float(errors.min())
        if error > _MATCH_LIMIT:
            self._broken = True
            return
        if now - self.since > _PASSAGE_TIME:
            self._begin(now)
        self.last = now
        self._count += 1
        self._moving += bool(steps.max() >= _MOVING_LIMIT)
        self._sum += fingerprint
        self._squares += float(fingerprint @ fingerprint) / len(fingerprint)
        self._error += error

    def is_matching(self, now: float) -> bool:
        """Whether it still matches."""
        return not self._broken and now - self.last <= _MATCH_TIMEOUT

    def is_repetition(self, now: float) -> bool:
        """Whether it is long, varied and similar enough not to be a coincidence."""
        if self.lag < _MIN_LOOP or now - self.since < _MIN_LOOP or self._count < _MIN_FRAMES:
            return False
        variance = self._squares / self._count - float(self._sum @ self._sum) / self._count**2 / len(self._sum)
        alike = self._error / self._count <= _RATIO * 2 * variance
        return alike and variance >= _MIN_VARIANCE and self._moving >= _HALF * self._count


class _Memory:
    """Fingerprints of the last two minutes, oldest first."""

    def __init__(self) -> None:
        rows = _CAPACITY + _CAPACITY // 4
        self._prints = np.empty((rows, _WIDTH * _HEIGHT), np.float32)
        self._times = np.empty(rows)
        self._end = 0
        self.newest = -np.inf  # media time of the newest fingerprint

    def add(self, fingerprint: Floats, now: float) -> None:
        if self._end == len(self._times):
            for array in (self._prints, self._times):
                array[:_CAPACITY] = array[-_CAPACITY:]
            self._end = _CAPACITY
        self._prints[self._end], self._times[self._end] = fingerprint, now
        self._end += 1
        self.newest = now

    def errors(self, fingerprint: Floats, time: float) -> Floats:
        """Mean squared differences from the fingerprints around that time."""
        start, end = np.searchsorted(self._times[: self._end], (time - _JITTER, time + _JITTER))
        return self._errors(fingerprint, start, end)

    def _errors(self, fingerprint: Floats, start: int, end: int) -> Floats:
        return np.asarray(2.0 * (_CONTRAST**2 - self._prints[start:end] @ fingerprint / len(fingerprint)), np.float32)

    def find_lag(self, fingerprint: Floats, now: float) -> float | None:
        """Seconds since the last matching picture; None without a match."""
        start, end = np.searchsorted(self._times[: self._end], (now - _MEMORY, now - _MIN_LAG))
        if start >= end:
            return None
        errors = self._errors(fingerprint, start, end)
        smallest = float(errors.min())
        if smallest > _MATCH_LIMIT:
            return None
        row = int(np.flatnonzero(errors <= smallest + _MATCH_MARGIN)[-1])
        while row > 0 and errors[row - 1] < errors[row]:
            row -= 1
        return now - float(self._times[start + row])


def _fingerprint(grid: Pixels) -> Floats | None:
    """(144,) grey levels of mean 0 and standard deviation 32; None for a flat picture."""
    small = cv2.resize(grid.astype(np.float32), (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA).ravel()
    small -= small.mean()
    contrast = float(small @ small / len(small)) ** 0.5
    return None if contrast < _MIN_CONTRAST else np.asarray(small * (_CONTRAST / contrast), np.float32)
