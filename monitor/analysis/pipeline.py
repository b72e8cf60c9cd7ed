"""The order of the stages: ``step(frame) -> Observation``; no thread, no clock, no I/O, no randomness.

All stages use media time, so the same frames give the same observations, bit for bit, at any arrival rate.
"""

import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import cv2

from monitor.analysis import quality
from monitor.analysis.cadence import SourceCadence, is_slow, stretch
from monitor.analysis.face_orientation import FaceOrientation
from monitor.analysis.integrity import Integrity
from monitor.analysis.paced_scorer import PacedScorer
from monitor.analysis.scenes import SceneCuts
from monitor.analysis.score_schedule import ScoreSchedule
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
from monitor.inference.engine_upgrade import upgrade_engines
from monitor.inference.network import Network
from monitor.inference.onnx_graph import export_in_child
from monitor.settings import Settings
from monitor.system import memory
from monitor.types import Frame, Observation, Qualities, Scores, Segment, SourceInfo, TrackedFaces, TrackSummary


@dataclass(slots=True, eq=False)
class Engines:
    """The loaded networks: created once, shared by any number of pipelines with one thread each."""

    faces: FaceDetector
    scorers: tuple[Scorer, ...]  # of the committee's classifiers, in its order
    committee: Committee
    choice: BackendSelection
    batches: DynamicBatcher  # joins the calls of live streams

    @property
    def scorer(self) -> Scorer:
        """The scorer of the first classifier."""
        return self.scorers[0]

    @property
    def classifier(self) -> Classifier:
        """The first classifier of the committee."""
        return self.scorer.classifier

    @classmethod
    def load(
        cls, settings: Settings, *, input_size: int | None = None, on_step: Callable[[str], None] = lambda _: None
    ) -> Self:
        """Load or build all networks that ``settings`` select.

        Args:
            settings: only detector, classifier and cache_dir are used.
            input_size: side of the classifiers' crops, pixels; overrides the settings, and needs no calibration for
                this size (for benchmarks).
            on_step: called with the name of each network before it is loaded or built.

        Raises:
            WeightsMissingError: the weights are missing.
            ModelCardError: the card describes other weights, or the weights are not calibrated for the input size of
                the settings.
            EngineError: the backend is not available or cannot run the networks.
        """
        wanted = settings.classifier
        choice = choose(wanted.backend)
        committee = configured_committee(settings, input_size=input_size)
        cache_dir = default_cache_dir(settings.cache_dir)
        cv2.setNumThreads(wanted.threads)  # process-wide; more threads only compete with the engine's

        def build(network: Network, backend: Backend) -> Engine:
            on_step(network.name)
            return backend.compile(network, threads=wanted.threads, cache_dir=cache_dir)

        with export_in_child():
            exact = choice.backend.exact()
            faces = load_face_detector(
                settings.detector,
                compile_network=lambda network: build(network, exact),
                resampler=resampler(exact),
            )
            networks, threads = [classifier.network for classifier in committee.classifiers], wanted.threads
            engines, choice = upgrade_engines(choice, networks, threads=threads, cache_dir=cache_dir)
            engines = engines or [build(network, choice.backend) for network in networks]
        memory.trim()
        return cls(
            faces=faces,
            scorers=tuple(map(Scorer, committee.classifiers, engines)),
            committee=committee,
            choice=choice,
            batches=DynamicBatcher(wait=wanted.batch_wait, concurrency=_concurrency(choice.backend, wanted.threads)),
        )

    def replace_engines(self, engines: Sequence[Engine], choice: BackendSelection) -> None:
        """Replace the engines for live streams from the next frame on, and for new files; callable from any thread."""
        for scorer, engine in zip(self.scorers, engines, strict=True):
            scorer.engine = engine
        self.choice = choice


def configured_committee(settings: Settings, *, input_size: int | None = None) -> Committee:
    """The classifiers that ``settings`` select, with reference crops for the parity test; nothing is compiled.

    Args:
        settings: only the classifier's are used.
        input_size: as in ``Engines.load``.

    Raises:
        UsageError: the name is unknown.
        WeightsMissingError: the weights are missing.
        ModelCardError: the card describes other weights, or the weights are not calibrated for the input size of the
            settings.
    """
    wanted = settings.classifier
    size = input_size or wanted.input_size
    committee = load_committee(wanted.model, weights=wanted.weights, input_size=size)
    if input_size is None and wanted.input_size is not None:
        for classifier in committee.classifiers:
            classifier.card.at(wanted.input_size)  # raises if the weights are not calibrated for this size
    return replace(committee, classifiers=tuple(map(_with_reference_crops, committee.classifiers)))


def _with_reference_crops(classifier: Classifier) -> Classifier:
    crops = partial(reference_crops, classifier.card.crop, size=classifier.input_size)
    return replace(classifier, network=replace(classifier.network, reference_crops=crops))


def _concurrency(backend: Backend, threads: int) -> int:
    """Number of batches that run in parallel without slowing each other down."""
    return 1 if backend.is_serial else max(1, (os.cpu_count() or 1) // threads)


class Pipeline:
    """The stages of one stream with their state. Not thread-safe: one pipeline per thread.

    Args:
        engines: shared with other pipelines.
        still: the frames are independent pictures.
        live: the faces of several live streams may be scored in one batch. The last digits of a score depend on the
            batch size, so files, which must give reproducible results, are always scored alone.
        info: of the source, for the hints on the stream.
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
        self._file_engines = [scorer.engine for scorer in engines.scorers]  # a file keeps its engines to the end
        self._settings = self._stretched = settings
        self._cadence = None if still else SourceCadence(None if info is None else info.fps)
        self._integrity = Integrity(info)
        self._scenes = SceneCuts()
        self._orientation = FaceOrientation(engines.faces, settings, still=still)
        once = {"min_hits": 1} if still else {}
        self._tracker = Tracker(settings.tracker.model_copy(update=once))
        self._schedule = ScoreSchedule(settings.classifier.min_score_interval)
        committee = engines.committee
        self._scorers = [
            PacedScorer(scorer, every=every)
            for scorer, every in zip(engines.scorers, committee.score_intervals, strict=True)
        ]
        self._judge = Judge(
            settings.verdict,
            process=engines.classifier.card.score_process,
            classifiers=committee.ids if committee.card else (),
            max_difference=committee.fusion.max_difference,
            still=still,
        )
        self._segments = Segments(settings.segment)

    def step(self, frame: Frame, *, min_score_interval: float = 0.0, disordered: int = 0) -> Observation:
        """Analyse the next frame of the source.

        Args:
            frame: the next frame; frames of one source, in order.
            min_score_interval: minimum seconds of media time between two scores of one face, and between two
                searches while no face is tracked.
            disordered: the source's count of disordered timestamps, up to this frame.

        Raises:
            EngineError: an engine failed permanently.
        """
        now = frame.media_time
        self._follow_cadence(now)
        engines = self._file_engines
        if self._live:  # the current engines, for the whole frame
            engines = [self._engines.batches.of(scorer.engine) for scorer in self._engines.scorers]
        cut = self._scenes.is_cut(frame.pixels)
        tracked, detected = self._find(frame, cut=cut, min_score_interval=min_score_interval)
        hint_changes = self._integrity.update(frame, disordered=disordered, turned=self._orientation.hint)
        qualities, scores = Qualities.none(), Scores.none()
        rows = self._schedule.due(tracked.track_ids, now, min_score_interval=min_score_interval)
        if rows:
            qualities, scores = self._score(frame, tracked, rows=rows, engines=engines)
        judgement = self._judge.update(scores, track_ids=tracked.track_ids, frame_index=frame.index, media_time=now)
        closed = self._segments.update(judgement, scores, frame_index=frame.index, media_time=now)
        ended = self._tracker.ended
        self._schedule.forget(ended)
        self._orientation.forget(ended)
        for scorer in self._scorers:
            scorer.forget(ended)
        return Observation(
            frame_index=frame.index,
            media_time=now,
            tracked=tracked,
            qualities=qualities,
            scores=scores,
            verdicts=judgement.verdicts,
            changes=judgement.changes,
            closed_segments=closed + self._segments.end(ended),
            ended_tracks=self._judge.end(ended),
            engine=engines[0].name,
            detected=detected,
            scene_cut=cut,
            hints=self._integrity.active,
            hint_changes=hint_changes,
        )

    def finish(self) -> tuple[tuple[Segment, ...], tuple[TrackSummary, ...]]:
        """The segments and tracks that are open at the end of the source."""
        return self._segments.flush(), self._judge.summaries()

    def so_far(self) -> tuple[tuple[Segment, ...], tuple[TrackSummary, ...]]:
        """The current segments and tracks, while the source continues."""
        return copy.deepcopy(self._segments).flush(), self._judge.summaries()

    def _follow_cadence(self, media_time: float) -> None:
        """Fit the time constants of all stages to the interval between two frames."""
        if self._cadence is None:
            return
        self._cadence.update(media_time)
        settings = stretch(self._settings, self._cadence.interval)
        if settings is not self._stretched:
            self._stretched = settings
            self._tracker.settings, self._segments.settings = settings.tracker, settings.segment
            self._judge.use(settings.verdict)
            self._orientation.is_slow = is_slow(self._settings, self._cadence.interval)

    def _find(self, frame: Frame, *, cut: bool, min_score_interval: float) -> tuple[TrackedFaces, bool]:
        """Follow the known faces with O-Net; run the full cascade when it is due."""
        tracker, faces, now = self._tracker, self._orientation, frame.media_time
        if cut:
            tracker.cut(now)
        tracked = tracker.follow(faces.refine(frame.pixels, tracker.expected(now)), now)
        if not (tracker.due(now, min_search_interval=min_score_interval) or faces.due(now)):
            return tracked, False
        return tracker.associate(faces.detect(frame.pixels, now, following=len(tracked) > 0), now), True

    def _score(
        self, frame: Frame, tracked: TrackedFaces, *, rows: list[int], engines: Sequence[Engine]
    ) -> tuple[Qualities, Scores]:
        """Measure all faces, and score the given rows, with the picture upright."""
        view, upright = self._orientation.set_upright(frame.pixels, tracked, rows=rows, media_time=frame.media_time)
        qualities = quality.measure(view, upright.faces, self._settings.quality)
        scores = [
            scorer.score(view, upright, qualities, rows=rows, engine=engine, media_time=frame.media_time)
            for scorer, engine in zip(self._scorers, engines, strict=True)
        ]
        return qualities, self._orientation.turn_back(self._engines.committee.fusion.fuse(scores), frame.pixels)
