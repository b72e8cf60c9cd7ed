"""Outcomes of labelled videos and pictures, from the shipped pipeline, as in ``analyze``.

The decision is the program's own verdict. The probability, by which files are ranked, is the same statistic for all
files: the mean over time of each face's P(fake), of the face with the highest mean
(``VideoWatcher.mean_probability``). The verdict's own probability does not serve. It is the peak for a suspected face,
a mean for an acquitted one, and missing for an undecided file. So it depends on the thresholds, and its peak grows
with the length of a video. Papers average over frames, too.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache

from monitor.analysis.pipeline import Engines
from monitor.errors import MonitorError
from monitor.lab.datasets.record import Record
from monitor.lab.evaluation.outcomes import MediaSpan, Outcome, VideoTimeline
from monitor.lab.evaluation.thumbnails import HighestFace
from monitor.lab.evaluation.timelines import joined
from monitor.lab.evaluation.watch import VideoWatcher
from monitor.media.sources import open_source
from monitor.results.recorder import run
from monitor.results.report import Report
from monitor.settings import Settings
from monitor.types import Label, Reason, SourceInfo

ARCHIVED = "it lies in an archive; run `lab prepare` and evaluate the face shards instead"
CRASHED = "the process that analysed it died; the file may be damaged, or memory ran out"


def video_outcomes(
    records: Sequence[Record],
    *,
    settings: Settings,
    engines: Engines | None = None,
    jobs: int = 1,
    on_done: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """One outcome per record, in order. An unreadable file is a failure; the others go on.

    Args:
        records: labelled files.
        settings: of every stage.
        engines: loaded engines, used if ``jobs`` is 1.
        jobs: number of processes, each with its own engines.
        on_done: called with each outcome as it completes, on this thread.

    Raises:
        MonitorError: the engines cannot be loaded.
    """
    if jobs <= 1:
        found = dict(_here(records, settings=settings, engines=engines, on_done=on_done))
    else:
        found = _in_processes(records, settings=settings, jobs=jobs, on_done=on_done)
    return [found[number] for number in range(len(records))]


def video_outcome(record: Record, *, settings: Settings, engines: Engines) -> Outcome:
    """The outcome of one record."""
    if any(folder.is_file() for folder in record.path.parents):
        return _outcome(record, failure=f"{record.path}: {ARCHIVED}")
    face = HighestFace()
    try:
        with open_source(record.path, settings.source) as source:
            info, card = source.info, engines.classifier.card
            watch = VideoWatcher(settings.verdict, process=card.score_process, still=info.still)
            result = run(source, engines=engines, settings=settings, sinks=(watch, face))
    except MonitorError as error:
        return _outcome(record, failure=str(error))
    except Exception as error:  # noqa: BLE001 - reported as this file's failure
        return _outcome(record, failure=f"{record.path}: nobody foresaw {error!r}; please report it")
    return _outcome(
        record,
        decision=result.verdict.label,
        probability=watch.mean_probability,
        reasons=result.verdict.reasons,
        footage=None if info.still else _footage(record, info, result, watch),
        picture=face.jpeg,
    )


def _footage(record: Record, info: SourceInfo, result: Report, watch: VideoWatcher) -> VideoTimeline:
    return VideoTimeline(
        duration=watch.last_time + (1.0 / info.fps if info.fps else 0.0),
        frames=result.frames.frames_analysed,
        faces=len(result.tracks),
        fake_spans=None if record.spans is None else tuple(MediaSpan(span.start, span.end) for span in record.spans),
        alarms=joined(MediaSpan(segment.start, segment.end) for segment in result.segments),
        moments=tuple(watch.moments),
        face_seconds=watch.face_seconds,
        abstaining_seconds=watch.abstaining_seconds,
        flips=watch.flips,
        ended_early="" if result.failure is None else str(result.failure),
    )


def _outcome(
    record: Record,
    *,
    decision: Label | None = None,
    probability: float | None = None,
    reasons: tuple[Reason, ...] = (),
    failure: str = "",
    footage: VideoTimeline | None = None,
    picture: bytes | None = None,
) -> Outcome:
    return Outcome(
        dataset=record.dataset,
        id=record.video_id,
        path=str(record.path),
        label=record.label,
        method=record.method if record.label else "",
        group=record.group,
        decision=decision,
        probability=probability,
        reasons=reasons,
        failure=failure,
        footage=footage,
        picture=picture,
    )


def _here(
    records: Sequence[Record], *, settings: Settings, engines: Engines | None, on_done: Callable[[Outcome], None]
) -> Iterator[tuple[int, Outcome]]:
    engines = engines or Engines.load(settings)
    for number, record in enumerate(records):
        outcome = video_outcome(record, settings=settings, engines=engines)
        on_done(outcome)
        yield number, outcome


def _in_processes(
    records: Sequence[Record], *, settings: Settings, jobs: int, on_done: Callable[[Outcome], None]
) -> dict[int, Outcome]:
    """Runs all records in a pool. If a process dies, the rest run one by one, which identifies the fatal file."""
    found: dict[int, Outcome] = {}
    try:
        with _processes(jobs) as pool:
            waiting = {pool.submit(_alone, record, settings): number for number, record in enumerate(records)}
            for future in as_completed(waiting):
                found[waiting[future]] = future.result()
                on_done(found[waiting[future]])
    except BrokenProcessPool:
        for number, record in enumerate(records):
            if number not in found:
                found[number] = _isolated(record, settings)
                on_done(found[number])
    return found


def _isolated(record: Record, settings: Settings) -> Outcome:
    try:
        with _processes(1) as pool:
            return pool.submit(_alone, record, settings).result()
    except BrokenProcessPool:
        return _outcome(record, failure=f"{record.path}: {CRASHED}")


@contextmanager
def _processes(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """A pool that ends with the block; an interruption cancels files that have not started."""
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _alone(record: Record, settings: Settings) -> Outcome:
    """One record in a pool process, which keeps its engines."""
    return video_outcome(record, settings=settings, engines=_engines(settings))


@cache
def _engines(settings: Settings) -> Engines:
    return Engines.load(settings)
