"""The order of the stages: ``step(frame) -> Observation``; no thread, no clock, no I/O, no randomness.

Everything runs on media time, so the same frames give the same observations, bit for bit, however
fast or slow they arrive.
"""

import copy
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from monitor.analysis import quality
from monitor.analysis.integrity import Integrity
from monitor.analysis.scenes import SceneCuts
from monitor.analysis.scores import Scorer
from monitor.analysis.segments import Segments
from monitor.analysis.tracks import Tracker
from monitor.analysis.verdicts import Judge
from monitor.classifiers import Classifier
from monitor.classifiers.committee import Committee, load_committee
from monitor.classifiers.reference_crops import reference_crops
from monitor.faces import FaceDetector, load_face_detector
from monitor.inference.backends import Backend, BackendSelection, Engine, choose, resampler
from monitor.inference.batches import DynamicBatcher
from monitor.inference.cache import default_cache_dir
from monitor.inference.engine_upgrade import promoted
from monitor.inference.network import Network
from monitor.inference.onnx_graph import exported_elsewhere
from monitor.settings import Settings
from monitor.system import memory
from monitor.types import Frame, Observation, Qualities, Scores, Segment, SourceInfo, TrackedFaces, TrackSummary


@dataclass(slots=True, eq=False)
class Engines:
    """The loaded networks: made once, used by any number of pipelines of one thread each."""

    faces: FaceDetector
    scorers: tuple[Scorer, ...]  # of the committee's classifiers, in its order
    committee: Committee
    choice: BackendSelection
    batches: DynamicBatcher  # joins the faces of live streams

    @property
    def scorer(self) -> Scorer:
        """The first classifier's."""
        return self.scorers[0]

    @property
    def classifier(self) -> Classifier:
        """The first of the committee, or the only one."""
        return self.scorer.classifier

    @classmethod
    def load(cls, settings: Settings, *, input_size: int | None = None) -> Self:
        """Load or build everything that ``settings`` names.

        Args:
            settings: of all stages; only detector, classifier and cache_dir are read.
            input_size: side of the classifiers' crops, pixels, whatever the settings say and whether or not the
                weights are calibrated for it (benchmarks).

        Raises:
            WeightsMissingError: there are no weights.
            ModelCardError: the weights are not the ones that their card describes, or not calibrated for the
                input size of the settings.
            EngineError: the backend is not available or cannot run the networks.
        """
        wanted = settings.classifier
        choice = choose(wanted.backend)
        committee = configured_committee(settings, input_size=input_size)
        cache_dir = default_cache_dir(settings.cache_dir)
        cv2.setNumThreads(wanted.threads)  # OpenCV's pool is the process's; beside an engine's it only costs

        def compiled(network: Network, backend: Backend) -> Engine:
            return backend.compile(network, threads=wanted.threads, cache_dir=cache_dir)

        with exported_elsewhere():
            exact = choice.backend.exact()
            faces = load_face_detector(
                settings.detector, compiled=lambda network: compiled(network, exact), resampler=resampler(exact)
            )
            networks, threads = [one.network for one in committee.classifiers], wanted.threads
            engines, choice = promoted(choice, networks, threads=threads, cache_dir=cache_dir)
            engines = engines or [compiled(network, choice.backend) for network in networks]
        memory.give_back()
        return cls(
            faces=faces,
            scorers=tuple(map(Scorer, committee.classifiers, engines)),
            committee=committee,
            choice=choice,
            batches=DynamicBatcher(wait=wanted.batch_wait, at_once=_at_once(choice.backend, wanted.threads)),
        )

    def serve(self, engines: Sequence[Engine], choice: BackendSelection) -> None:
        """Score live streams from their next frame on, and files begun later, with other engines; from any thread."""
        for scorer, engine in zip(self.scorers, engines, strict=True):
            scorer.engine = engine
        self.choice = choice


def configured_committee(settings: Settings, *, input_size: int | None = None) -> Committee:
    """The classifiers that ``settings`` names, with faces to try their engines on; nothing is compiled.

    Args:
        settings: only those of the classifier are read.
        input_size: as in ``Engines.load``.

    Raises:
        UsageError: the name is unknown.
        WeightsMissingError: there are no weights.
        ModelCardError: the weights are not the ones that their card describes, or not calibrated for the
            input size of the settings.
    """
    wanted = settings.classifier
    size = input_size or wanted.input_size
    committee = load_committee(wanted.model, weights=wanted.weights, input_size=size)
    if input_size is None and wanted.input_size is not None:
        for classifier in committee.classifiers:
            classifier.card.at(wanted.input_size)  # refuses what the weights are not calibrated for
    return replace(committee, classifiers=tuple(map(_with_reference_crops, committee.classifiers)))


def _with_reference_crops(classifier: Classifier) -> Classifier:
    crops = partial(reference_crops, classifier.card.crop, size=classifier.input_size)
    return replace(classifier, network=replace(classifier.network, witnesses=crops))


def _at_once(backend: Backend, threads: int) -> int:
    """How many batches may run side by side without taking each other's time."""
    return 1 if backend.takes_turns else max(1, (os.cpu_count() or 1) // threads)


class ScoreSchedule:
    """Which tracks are due: one score per track in each slot of ``every`` seconds of media time.

    Slots keep the rate exact at any frame rate: 24 fps gives five scores a second at 0.2 s, too.
    """

    def __init__(self, every: float) -> None:
        self._every = every
        self._slots: dict[int, int] = {}

    def due(self, track_ids: NDArray[np.int64], media_time: float, *, rest: float = 0.0) -> list[int]:
        """Rows of ``track_ids`` that are due now, slots being at least ``rest`` long; the slot counts as used."""
        slot = math.floor(media_time / max(self._every, rest) + 1e-6)
        rows = [row for row, track in enumerate(track_ids.tolist()) if self._slots.get(track) != slot]
        for row in rows:
            self._slots[int(track_ids[row])] = slot
        return rows

    def forget(self, track_ids: tuple[int, ...]) -> None:
        """Free what was kept for tracks that ended."""
        for track in track_ids:
            self._slots.pop(track, None)


class Pipeline:
    """One stream's stages and their state. Not thread-safe: one pipeline, one thread.

    Args:
        engines: shared with other pipelines.
        settings: of all stages.
        still: pictures, each for itself.
        live: one of several streams whose faces may be scored together. The last digits of a score then depend on
            how many there were, so files, which must give the same twice, never are.
        info: of the source, for the hints on the stream itself.
    """

    def __init__(
        self,
        engines: Engines,
        settings: Settings,
        *,
        still: bool = False,
        live: bool = False,
        info: SourceInfo | None = None,
    ) -> None:
        self._engines = engines
        self._live = live
        self._of_file = [scorer.engine for scorer in engines.scorers]  # to its end, whatever is served meanwhile
        self._settings = settings
        self._integrity = Integrity(info)
        self._scenes = SceneCuts()
        once = {"min_hits": 1} if still else {}
        self._tracker = Tracker(settings.tracker.model_copy(update=once))
        self._schedule = ScoreSchedule(settings.classifier.min_score_interval)
        self._judge = Judge(settings.verdict, process=engines.classifier.card.score_process, still=still)
        self._segments = Segments(settings.segment)

    def step(self, frame: Frame, *, rest: float = 0.0, disordered: int = 0) -> Observation:
        """What this frame adds. Call it with the frames of one source, in order.

        Args:
            frame: the next one.
            rest: seconds of media time between two scores of one face, and two searches where nobody is seen, at least.
            disordered: the source's count of disordered time stamps, up to this frame.

        Raises:
            EngineError: an engine failed for good.
        """
        now = frame.media_time
        engines = self._of_file
        if self._live:  # the newest, for the whole frame
            engines = [self._engines.batches.of(scorer.engine) for scorer in self._engines.scorers]
        hint_changes = self._integrity.update(frame, disordered=disordered)
        cut = self._scenes.is_cut(frame.pixels)
        tracked, detected = self._find(frame, cut=cut, rest=rest)
        qualities, scores = Qualities.none(), Scores.none()
        rows = self._schedule.due(tracked.track_ids, now, rest=rest)
        if rows:
            qualities = quality.measure(frame.pixels, tracked.faces, self._settings.quality)
            scores = self._engines.committee.fusion.fuse(
                [
                    scorer.score(frame.pixels, tracked, qualities, rows=rows, engine=engine)
                    for scorer, engine in zip(self._engines.scorers, engines, strict=True)
                ]
            )
        judged = self._judge.update(scores, track_ids=tracked.track_ids, frame_index=frame.index, media_time=now)
        closed = self._segments.update(judged, scores, frame_index=frame.index, media_time=now)
        ended = self._tracker.ended
        self._schedule.forget(ended)
        return Observation(
            frame_index=frame.index,
            media_time=now,
            tracked=tracked,
            qualities=qualities,
            scores=scores,
            verdicts=judged.verdicts,
            changes=judged.changes,
            closed_segments=closed + self._segments.end(ended),
            ended_tracks=self._judge.end(ended),
            engine=engines[0].name,
            detected=detected,
            scene_cut=cut,
            hints=self._integrity.active,
            hint_changes=hint_changes,
        )

    def finish(self) -> tuple[tuple[Segment, ...], tuple[TrackSummary, ...]]:
        """The segments and tracks that are still open when the source ends."""
        return self._segments.flush(), self._judge.summaries()

    def so_far(self) -> tuple[tuple[Segment, ...], tuple[TrackSummary, ...]]:
        """The same while the source goes on; nothing is ended."""
        return copy.deepcopy(self._segments).flush(), self._judge.summaries()

    def _find(self, frame: Frame, *, cut: bool, rest: float) -> tuple[TrackedFaces, bool]:
        """Follow the known faces with O-Net alone; run the full cascade on its beat."""
        tracker, faces, now = self._tracker, self._engines.faces, frame.media_time
        if cut:
            tracker.cut(now)
        tracked = tracker.follow(faces.refine(frame.pixels, tracker.expected(now)), now)
        if not tracker.due(now, rest=rest):
            return tracked, False
        return tracker.associate(faces.detect(frame.pixels), now), True
