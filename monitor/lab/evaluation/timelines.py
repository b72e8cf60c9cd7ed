"""Figures over time: alarms per hour, detection delay, matched spans, flips, time without a decision.

All times are media time. An alarm is a suspicious span of the report; overlapping spans of several faces are merged.
Footage is real where nothing is manipulated: in real files, and in partly fake ones outside the fake spans, which are
cut at the end of the video. An alarm is false if most of it lies over real footage. An alarm that lags behind a
manipulation is late, not false; its seconds over real footage still count in ``false_alarm_share``.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from monitor.lab.evaluation.outcomes import MediaSpan, Outcome, VideoTimeline

IOU = 0.5
_TAIL = 0.025  # either side of a 95 % interval
_SWITCH_AFTER = 0.5  # seconds of real footage required before a switch


@dataclass(frozen=True, slots=True)
class EventRate:
    """Events per unit of time with the exact 95 % interval of a Poisson count (Garwood 1936).

    The interval assumes independent events, which alarms of one file often are not.
    """

    events: int
    time: float  # in the unit of the rate
    value: float | None  # None without such footage
    low: float | None
    high: float | None

    @classmethod
    def of(cls, events: int, time: float) -> "EventRate":
        """The rate of ``events`` in ``time`` units."""
        if time <= 0:
            return cls(events, 0.0, None, None, None)
        low, high = poisson_interval(events)
        return cls(events, time, events / time, low / time, high / time)


@dataclass(frozen=True, slots=True)
class Detection:
    """Delays between the start of a manipulation and its detection."""

    spans: int  # manipulated spans
    detected: int  # of these, detected while they lasted
    already: int  # of these, started during a false alarm: no measurable delay
    median: float | None  # seconds, over all measurable spans, missed ones as infinite; None if infinite
    fastest: float | None  # seconds
    slowest: float | None  # seconds, of the detected spans


@dataclass(frozen=True, slots=True)
class Matches:
    """One-to-one matches of alarms and manipulated spans, with an intersection over union of at least 0.5."""

    alarms: int
    spans: int
    matched: int

    @property
    def precision(self) -> float | None:
        """Matched share of the alarms; None without one."""
        return self.matched / self.alarms if self.alarms else None

    @property
    def recall(self) -> float | None:
        """Matched share of the manipulated spans; None without one."""
        return self.matched / self.spans if self.spans else None


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Figures over time of all videos together."""

    videos: int
    hours: float  # of media time
    real_hours: float
    false_alarms_per_hour: EventRate
    false_alarm_share: float | None  # share of real time under an alarm
    switch: Detection  # from real to fake within a file
    whole: Detection  # from the first frame of files that are fake throughout
    matches: Matches  # in partly fake files
    flips_per_minute: EventRate  # changes of a face's label after its first decision, per minute of face
    abstain_share: float | None  # share of tracked face time under NOT_ENOUGH_EVIDENCE


def monitoring(outcomes: Sequence[Outcome]) -> Monitoring | None:
    """Figures of all videos; None if no outcome is a video."""
    films = [(one.label, one.footage) for one in outcomes if one.footage is not None]
    if not films:
        return None
    real = [genuine(footage, label=label) for label, footage in films]
    real_seconds = sum(span.duration for spans in real for span in spans)
    false = [alarm for label, footage in films for alarm in false_alarms(footage, label=label)]
    under = sum(
        overlap(alarm, span)
        for (_, footage), spans in zip(films, real, strict=True)
        for alarm in footage.alarms
        for span in spans
    )
    partly = [footage for _, footage in films if footage.fake_spans is not None]
    face_seconds = sum(footage.face_seconds for _, footage in films)
    abstaining = sum(footage.abstaining_seconds for _, footage in films)
    return Monitoring(
        videos=len(films),
        hours=sum(footage.duration for _, footage in films) / 3600,
        real_hours=real_seconds / 3600,
        false_alarms_per_hour=EventRate.of(len(false), real_seconds / 3600),
        false_alarm_share=under / real_seconds if real_seconds > 0 else None,
        switch=detection(delay for footage in partly for delay in switch_delays(footage)),
        whole=detection(_first_delay(footage) for label, footage in films if label and footage.fake_spans is None),
        matches=matched(partly),
        flips_per_minute=EventRate.of(sum(footage.flips for _, footage in films), face_seconds / 60),
        abstain_share=abstaining / face_seconds if face_seconds > 0 else None,
    )


def genuine(footage: VideoTimeline, *, label: int) -> tuple[MediaSpan, ...]:
    """The parts of a video without manipulation, in order."""
    if footage.fake_spans is None:
        return () if label else (MediaSpan(0.0, footage.duration),)
    free, begin = [], 0.0
    for span in manipulated(footage):
        free.append(MediaSpan(begin, span.start))
        begin = span.end
    free.append(MediaSpan(begin, footage.duration))
    return tuple(span for span in free if span.duration > 0)


def manipulated(footage: VideoTimeline) -> tuple[MediaSpan, ...]:
    """The fake spans, merged, in order and cut to the video; empty if one label applies to the whole video."""
    within = (MediaSpan(max(one.start, 0.0), min(one.end, footage.duration)) for one in footage.fake_spans or ())
    return joined(span for span in within if span.duration > 0)


def false_alarms(footage: VideoTimeline, *, label: int) -> list[MediaSpan]:
    """Alarms with more than half of their time over real footage, or without contact to a manipulated span."""
    if footage.fake_spans is None:
        return [] if label else list(footage.alarms)
    fakes = manipulated(footage)
    return [
        alarm
        for alarm in footage.alarms
        if not any(meet(alarm, fake) for fake in fakes)
        or 2 * sum(overlap(alarm, fake) for fake in fakes) < alarm.duration
    ]


def switch_delays(footage: VideoTimeline) -> list[float]:
    """Seconds from each switch real -> fake to the first accusation within the manipulated span.

    Infinite for a missed switch; NaN if an accusation was already active.
    """
    return [_delay(footage, span) for span, before in _with_real_lead(manipulated(footage)) if before >= _SWITCH_AFTER]


def _with_real_lead(spans: Sequence[MediaSpan]) -> list[tuple[MediaSpan, float]]:
    """Merged manipulated spans, with the seconds of real footage before each."""
    ends = [0.0, *(span.end for span in spans)]
    return [(span, span.start - end) for span, end in zip(spans, ends[:-1], strict=True)]


def _first_delay(footage: VideoTimeline) -> float:
    return _delay(footage, MediaSpan(0.0, math.inf))


def _delay(footage: VideoTimeline, span: MediaSpan) -> float:
    earlier = [moment for moment in footage.moments if moment.media_time < span.start]
    if earlier and earlier[-1].label.suspects:
        return math.nan
    said = (moment.media_time for moment in footage.moments if moment.label.suspects)
    return next((time - span.start for time in said if span.start <= time <= span.end), math.inf)


def detection(delays: Iterable[float]) -> Detection:
    """Summary of delays in seconds, infinite for a miss, NaN if not measurable."""
    every = np.array(list(delays), np.float64)
    measured = every[~np.isnan(every)]
    found = measured[np.isfinite(measured)]
    middle = np.sort(measured)[(len(measured) - 1) // 2 :][: 2 - len(measured) % 2]  # the middle one or two
    known = len(middle) and np.isfinite(middle).all()
    return Detection(
        spans=len(every),
        detected=len(found) + int(np.isnan(every).sum()),
        already=int(np.isnan(every).sum()),
        median=float(middle.mean()) if known else None,
        fastest=float(found.min()) if len(found) else None,
        slowest=float(found.max()) if len(found) else None,
    )


def matched(films: Sequence[VideoTimeline]) -> Matches:
    """Match alarms with manipulated spans per video, the best overlap first."""
    alarms = spans = hits = 0
    for footage in films:
        truth = manipulated(footage)
        alarms, spans = alarms + len(footage.alarms), spans + len(truth)
        pairs = sorted(
            ((iou(alarm, span), a, s) for a, alarm in enumerate(footage.alarms) for s, span in enumerate(truth)),
            reverse=True,
        )
        used_alarms: set[int] = set()
        used_spans: set[int] = set()
        for share, a, s in pairs:
            if share >= IOU and a not in used_alarms and s not in used_spans:
                used_alarms.add(a)
                used_spans.add(s)
        hits += len(used_spans)
    return Matches(alarms=alarms, spans=spans, matched=hits)


def joined(spans: Iterable[MediaSpan]) -> tuple[MediaSpan, ...]:
    """Spans in order of time; touching and overlapping ones are merged."""
    whole: list[MediaSpan] = []
    for span in sorted(spans, key=lambda span: span.start):
        if whole and span.start <= whole[-1].end:
            whole[-1] = MediaSpan(whole[-1].start, max(whole[-1].end, span.end))
        else:
            whole.append(span)
    return tuple(whole)


def overlap(some: MediaSpan, other: MediaSpan) -> float:
    """Shared seconds of two spans."""
    return max(0.0, min(some.end, other.end) - max(some.start, other.start))


def meet(some: MediaSpan, other: MediaSpan) -> bool:
    """Whether two spans touch or overlap."""
    return some.start <= other.end and other.start <= some.end


def iou(some: MediaSpan, other: MediaSpan) -> float:
    """Intersection over union of two spans, 0..1."""
    shared = overlap(some, other)
    union = some.duration + other.duration - shared
    return shared / union if union > 0 else 0.0


def poisson_interval(events: int) -> tuple[float, float]:
    """The exact 95 % interval of the expected count, from chi-squared quantiles (Garwood 1936)."""
    low = 0.0 if events == 0 else float(chi2.ppf(_TAIL, 2 * events)) / 2
    return low, float(chi2.ppf(1 - _TAIL, 2 * events + 2)) / 2
