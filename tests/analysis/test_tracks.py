"""Identity over time: in a simulated world with known truth, with random input, and on real clips."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from support.footage import decoded, mtcnn, overlaps, posed

from monitor.analysis.scenes import SceneCuts
from monitor.analysis.tracks import Tracker
from monitor.faces.mtcnn.cascade import MtcnnDetector
from monitor.settings import Settings, TrackerSettings
from monitor.types import Faces, Floats, Pixels, TrackedFaces

FPS = 25
Box = tuple[float, float, float, float]
World = Callable[[float], list[Box]]  # media time -> boxes of the visible faces, nearest first


def faces_at(boxes: list[Box] | Floats, probability: float = 0.99) -> Faces:
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    spread = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)], np.float32)
    sizes = rows[:, 2:] - rows[:, :2]
    return Faces(
        boxes=rows,
        probabilities=np.full(len(rows), probability, np.float32),
        landmarks=rows[:, None, :2] + spread * sizes[:, None],
    )


def square(x: float, y: float = 200, size: float = 100) -> Box:
    return (x - size / 2, y - size / 2, x + size / 2, y + size / 2)


def refined(expected: Floats, visible: list[Box]) -> Faces:
    """Simulates O-Net: it converges on the face with the largest overlap, or on nothing."""
    found = faces_at(expected, 0.05)
    for row, box in enumerate(expected):
        if visible:
            shares = overlaps(box[None], np.array(visible, np.float32))[0]
            if shares.max() > 0.35:
                found.boxes[row], found.probabilities[row] = visible[int(shares.argmax())], 0.99
    return found


def watch(
    world: World, times: list[float], tracker: Tracker | None = None
) -> Iterator[tuple[float, TrackedFaces, Tracker]]:
    tracker = tracker or Tracker(TrackerSettings())
    for time in times:
        tracked = tracker.follow(refined(tracker.expected(time), world(time)), time)
        if tracker.due(time):
            tracked = tracker.associate(faces_at(world(time)), time)
        yield time, tracked, tracker


def beats(seconds: float, fps: float = FPS) -> list[float]:
    return [index / fps for index in range(round(seconds * fps))]


def id_near(tracked: TrackedFaces, box: Box) -> int | None:
    if not len(tracked):
        return None
    shares = overlaps(np.array([box], np.float32), tracked.faces.boxes)[0]
    return int(tracked.track_ids[shares.argmax()]) if shares.max() > 0.5 else None


def test_a_face_is_confirmed_after_min_hits_and_keeps_its_id() -> None:
    seen = [(len(tracked), tracked.track_ids.tolist()) for _, tracked, _ in watch(lambda t: [square(300)], beats(3))]
    assert seen == [(0, [])] + [(1, [1])] * (len(seen) - 1)


def test_one_hit_can_be_enough() -> None:
    tracker = Tracker(TrackerSettings(min_hits=1))
    ((_, tracked, _),) = watch(lambda t: [square(300)], [0.0], tracker)
    assert tracked.track_ids.tolist() == [1]


def test_full_detections_run_at_their_interval() -> None:
    tracker, asked = Tracker(TrackerSettings(detect_interval=1.0, search_interval=0.2)), []
    for time in beats(4):
        visible = [square(300)] if time < 2 else []
        tracker.follow(refined(tracker.expected(time), visible), time)
        if tracker.due(time):
            asked.append(round(time, 2))
            tracker.associate(faces_at(visible), time)
    assert asked[:2] == [0.0, 1.0]
    assert asked[2:] == pytest.approx(np.arange(2.0, 4.0, 0.2))  # lost: at once, then every search_interval


def test_a_loss_triggers_a_limited_number_of_detections() -> None:
    """Each detection finds the face, and O-Net loses it in the next frame."""
    tracker, asked = Tracker(TrackerSettings(search_interval=0.2)), 0
    for time in beats(10):
        tracker.follow(faces_at(tracker.expected(time), 0.1), time)
        if tracker.due(time):
            asked += 1
            tracker.associate(faces_at([square(300)]), time)
    assert 10 / 0.2 <= asked < 1.3 * 10 / 0.2


def test_an_uncertain_face_is_lost_and_ends_after_max_age() -> None:
    tracker = Tracker(TrackerSettings(max_age=0.5))
    ended = []
    for time, tracked, _ in watch(lambda t: [square(300)] if t < 1 else [], beats(3), tracker):
        assert len(tracked) == (0 < time < 1)
        ended += [(round(time, 2), track) for track in tracker.ended]
    assert ended == [(1.48, 1)]  # last seen at 0.96


@pytest.mark.parametrize(("gap", "ids"), [(0.6, {1}), (1.6, {1, 2})])
def test_a_short_occlusion_keeps_the_id(gap: float, ids: set[int]) -> None:
    """A walking face, hidden for ``gap`` seconds."""
    hidden = lambda t: 1 < t < 1 + gap  # noqa: E731
    frames = list(watch(lambda t: [] if hidden(t) else [square(200 + 60 * t)], beats(4)))
    assert {track for _, tracked, _ in frames for track in tracked.track_ids.tolist()} == ids
    assert len(frames[-1][1]) == 1


@pytest.mark.parametrize(("aside", "ids"), [(90, {1}), (220, {1, 2})])
def test_a_face_that_reappears_far_away_is_a_new_track(aside: float, ids: set[int]) -> None:
    world = lambda t: [] if 1 < t < 1.5 else [square(300 if t < 1.2 else 300 + aside)]  # noqa: E731
    assert {track for _, tracked, _ in watch(world, beats(3)) for track in tracked.track_ids.tolist()} == ids


def test_a_fast_face_stays_active() -> None:
    """Half its width per frame: too far for O-Net on the last box."""
    frames = list(watch(lambda t: [square(50 + 50 * FPS * t)], beats(1.2)))
    assert all(tracked.track_ids.tolist() == [1] for _, tracked, _ in frames[2:])


def test_a_cut_ends_all_tracks_and_triggers_a_detection() -> None:
    tracker = Tracker(TrackerSettings())
    world = lambda t: [square(200), square(500)]  # noqa: E731
    list(watch(world, beats(1), tracker))
    tracker.cut(1.0)
    assert tracker.ended == (1, 2)
    assert not len(tracker.follow(faces_at(tracker.expected(1.0)), 1.0))
    assert tracker.ended == (1, 2)
    assert tracker.due(1.0)
    tracker.associate(faces_at(world(1.0)), 1.0)
    tracked = tracker.follow(faces_at(world(1.04)), 1.04)
    assert tracker.ended == ()
    assert tracked.track_ids.tolist() == [3, 4]


@pytest.mark.parametrize("leap", [60.0, -60.0])
def test_a_jump_in_time_ends_all_tracks(leap: float) -> None:
    tracker = Tracker(TrackerSettings())
    list(watch(lambda t: [square(300)], beats(1), tracker))
    tracker.follow(faces_at(tracker.expected(1 + leap)), 1 + leap)
    assert tracker.ended == (1,)
    assert tracker.due(1 + leap)


def test_a_busy_machine_searches_less_often() -> None:
    def searches(interval: float) -> int:
        tracker = Tracker(TrackerSettings(search_interval=0.2))
        count = 0
        for time in beats(4):
            tracker.follow(Faces.none(), time)
            if tracker.due(time, min_search_interval=interval):
                tracker.associate(Faces.none(), time)
                count += 1
        return count

    assert (searches(0.0), searches(0.5), searches(1.0)) == (20, 8, 4)


@pytest.mark.parametrize("hidden", [0.3, 0.7])
def test_a_lost_face_is_found_again_on_a_busy_machine(hidden: float) -> None:
    tracker = Tracker(TrackerSettings(max_age=1.0))
    ids: set[int] = set()
    for time in beats(4):
        away = 2 <= time < 2 + hidden
        here = [square(500)] + ([] if away else [square(200)])
        expected = tracker.expected(time)
        refined = faces_at(expected)
        if away:
            refined.probabilities[expected[:, 0] < 350] = 0.1
        tracked = tracker.follow(refined, time)
        if tracker.due(time, min_search_interval=0.5):
            tracked = tracker.associate(faces_at(here), time)
        ids |= set(tracked.track_ids.tolist())
    assert ids == {1, 2}


def crossing(t: float) -> list[Box]:
    """The nearer face moves right, the farther left; while they overlap by half, only the nearer is visible."""
    near, far = square(200 + 150 * t), square(650 - 150 * t, 205)
    hidden = overlaps(np.array([near], np.float32), np.array([far], np.float32))[0, 0] > 0.3
    return [near] if hidden else [near, far]


@pytest.mark.parametrize("fps", [25, 12.5, 60])
def test_people_who_cross_keep_their_ids(fps: float) -> None:
    frames = list(watch(crossing, beats(3, fps), Tracker(TrackerSettings())))
    before, after = frames[round(0.5 * fps)][1], frames[-1][1]
    near, far = id_near(before, crossing(0.5)[0]), id_near(before, crossing(0.5)[1])
    assert {near, far} == {1, 2}
    assert id_near(after, crossing(3)[0]) == near
    assert id_near(after, crossing(3)[1]) == far


def test_two_tracks_never_share_a_face() -> None:
    tracker = Tracker(TrackerSettings())
    list(watch(lambda t: [square(200), square(330)], beats(1), tracker))
    tracked = tracker.follow(faces_at([square(205), square(215)]), 1.0)  # the second converged on the first
    assert tracked.track_ids.tolist() == [1]
    again = tracker.associate(faces_at([square(205), square(330)]), 1.0)
    assert sorted(again.track_ids.tolist()) == [1, 2]
    assert id_near(again, square(330)) == 2


def test_a_confirmed_track_keeps_its_face_against_a_new_track() -> None:
    tracker = Tracker(TrackerSettings())
    list(watch(lambda t: [square(200)], beats(1), tracker))
    tracker.associate(faces_at([square(200), square(260)]), 1.0)
    assert len(tracker.expected(1.04)) == 2
    assert tracker.follow(faces_at([square(235), square(250)]), 1.04).track_ids.tolist() == [1]
    assert len(tracker.expected(1.08)) == 1


def test_a_face_missed_by_full_detections_is_lost() -> None:
    tracker = Tracker(TrackerSettings(detect_interval=1.0, max_age=0.5))
    list(watch(lambda t: [square(300)], beats(1), tracker))
    ended = {}
    for time in beats(10)[25:]:
        tracker.follow(faces_at(tracker.expected(time)), time)  # O-Net accepts a curtain
        if tracker.due(time):
            tracker.associate(Faces.none(), time)
        ended |= dict.fromkeys(tracker.ended, time)
    assert list(ended) == [1]
    assert 2 < ended[1] < 5


def test_a_full_detection_corrects_a_box() -> None:
    tracker = Tracker(TrackerSettings())
    list(watch(lambda t: [square(300)], beats(1), tracker))
    tracker.follow(faces_at([square(335)]), 1.0)
    tracked = tracker.associate(faces_at([square(300)]), 1.0)
    np.testing.assert_allclose(tracked.faces.boxes, [square(300)])


def test_rows_must_match() -> None:
    with pytest.raises(ValueError, match="0 tracks are active, got 1"):
        Tracker(TrackerSettings()).follow(faces_at([square(10)]), 0.0)


SMOOTH = st.lists(
    st.tuples(st.floats(-60, 60), st.floats(-60, 60), st.floats(0, 6.28), st.floats(0.2, 0.7)), min_size=1, max_size=4
)


def swaying(people: list[tuple[float, float, float, float]]) -> World:
    """Faces 250 pixels apart, each swaying around its position."""

    def world(t: float) -> list[Box]:
        return [
            square(200 + 250 * i + dx * np.sin(phase + 6.28 * hertz * t), 300 + dy * np.sin(phase + 5 * hertz * t))
            for i, (dx, dy, phase, hertz) in enumerate(people)
        ]

    return world


@given(SMOOTH, st.integers(1, 3))
@effort(deadline=None, max_examples=30)
def test_dropped_frames_change_no_identity(people: list[tuple[float, float, float, float]], keep_every: int) -> None:
    world = swaying(people)
    times = beats(4)[::keep_every]
    for time, tracked, _ in list(watch(world, times))[1:]:
        assert [id_near(tracked, box) for box in world(time)] == list(range(1, len(people) + 1))


STEPS = st.lists(
    st.tuples(
        st.one_of(st.floats(0.01, 0.2), st.floats(-0.3, 3), st.floats(-1e6, 1e6)),  # seconds to the next frame
        st.lists(st.tuples(st.floats(0, 900), st.floats(0, 900), st.floats(0, 300)), max_size=5),
        st.lists(st.floats(0, 1), min_size=5, max_size=5),
        st.integers(0, 9),
    ),
    max_size=40,
)


@given(STEPS, st.integers(1, 3))
@effort(deadline=None, max_examples=150)
def test_ids_are_unique_and_never_reused_for_any_input(
    steps: list[tuple[float, list[tuple[float, float, float]], list[float], int]], min_hits: int
) -> None:
    def run() -> list[tuple[list[int], tuple[int, ...]]]:
        tracker, time, history = Tracker(TrackerSettings(min_hits=min_hits)), 0.0, []
        alive: set[int] = set()
        dead: set[int] = set()
        for step, found, doubts, event in steps:
            time += step
            if event == 0:
                tracker.cut(time)
            expected = tracker.expected(time)
            following = faces_at(expected + np.float32(event))
            following.probabilities[:] = np.resize(doubts, len(expected))
            tracked = tracker.follow(following, time)
            if tracker.due(time) or event == 1:
                tracked = tracker.associate(faces_at([square(*place) for place in found]), time)
            ids, ended = tracked.track_ids.tolist(), tracker.ended
            assert len(set(ids)) == len(ids)
            assert all(track > 0 for track in ids)
            assert not set(ids) & (dead | set(ended))
            assert len(set(ended)) == len(ended)
            assert not set(ended) & dead
            assert set(ended) <= alive | set(ids)
            assert all(track > max(alive | dead, default=0) for track in set(ids) - alive)
            dead |= set(ended)
            alive = (alive | set(ids)) - dead
            assert len(tracker._active) + len(tracker._lost) <= 5 * 40
            history.append((ids, tracker.ended))
        return history

    assert run() == run()


def test_memory_is_bounded_over_days() -> None:
    """A new face every second, some only half visible, for hours of media time."""
    tracker, rng = Tracker(TrackerSettings()), np.random.default_rng(0)
    largest = 0
    for time in np.arange(0, 4000, 0.5).tolist():
        following = faces_at(tracker.expected(time), float(rng.uniform(0, 1)))
        tracker.follow(following, time)
        if tracker.due(time):
            tracker.associate(faces_at([square(*rng.uniform(0, 2000, 2)) for _ in range(3)]), time)
        largest = max(largest, len(tracker._active) + len(tracker._lost) + len(tracker.ended))
    assert largest < 40


@pytest.fixture(scope="module")
def detector(settings: Settings) -> MtcnnDetector:
    assert settings.cache_dir is not None
    return MtcnnDetector(mtcnn(settings.cache_dir), settings.detector)


def track(frames: Iterator[tuple[float, Pixels]], detector: MtcnnDetector) -> list[TrackedFaces]:
    tracker, scenes, seen = Tracker(TrackerSettings()), SceneCuts(), []
    for time, pixels in frames:
        if scenes.is_cut(pixels):
            tracker.cut(time)
        tracked = tracker.follow(detector.refine(pixels, tracker.expected(time)), time)
        if tracker.due(time):
            tracked = tracker.associate(detector.detect(pixels), time)
        seen.append(tracked)
    return seen


def test_real_networks_track_two_crossing_heads(detector: MtcnnDetector) -> None:
    """The nearer head covers the farther one for half a second."""
    frames = ((t, posed((520 - 130 * t, 235, 80), (120 + 130 * t, 250, 120))) for t in beats(3, 20))
    seen = track(frames, detector)
    assert {int(i) for tracked in seen for i in tracked.track_ids} == {1, 2}
    nearer = [int(tracked.track_ids[np.ptp(tracked.faces.boxes[:, 1::2], axis=1).argmax()]) for tracked in seen[1:]]
    assert len({*nearer[:10], *nearer[-10:]}) == 1
    assert len(seen[5]) == len(seen[-1]) == 2
    assert min(len(tracked) for tracked in seen[1:]) == 1


def test_a_talking_face_is_one_track(media: Path, detector: MtcnnDetector) -> None:
    seen = track(decoded(media / "real" / "talking_1008_frames.mp4", every=2), detector)
    assert [tracked.track_ids.tolist() for tracked in seen[1:]] == [[1]] * (len(seen) - 1)


def test_a_cut_starts_new_tracks(media: Path, detector: MtcnnDetector) -> None:
    seen = track(decoded(media / "real" / "scene_cuts.mp4"), detector)
    scenes = [{int(i) for tracked in seen[a:b] for i in tracked.track_ids} for a, b in ((0, 20), (20, 82), (82, 211))]
    assert all(one.isdisjoint(other) for one, other in pairwise(scenes))
    assert len(scenes[2]) == 1
    assert sum(len(tracked) == 1 for tracked in seen[82:211]) >= 126


def test_a_crowd_is_tracked_with_a_moving_camera(media: Path, detector: MtcnnDetector) -> None:
    """The tracks hold 95 % of the fully detected faces; few ids are created."""
    frames = list(decoded(media / "real" / "multiface_1080p.mp4", stop=60))
    small = [(time, np.ascontiguousarray(pixels[::2, ::2])) for time, pixels in frames]
    seen = track(iter(small), detector)
    found = expected = 0
    for (_, pixels), tracked in zip(small[1::4], seen[1::4], strict=True):
        boxes = detector.detect(pixels).boxes
        expected += len(boxes)
        found += int((overlaps(boxes, tracked.faces.boxes).max(axis=1, initial=0) >= 0.5).sum())
    assert found >= 0.95 * expected
    assert max(int(i) for tracked in seen for i in tracked.track_ids) <= 9
