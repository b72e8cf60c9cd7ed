from dataclasses import replace

import numpy as np
import pytest
from support.observations import Face, frame, observation

from monitor.lab.evaluation.watch import VideoWatcher
from monitor.settings import VerdictSettings
from monitor.types import Label, Reason, ScoreProcess

BOX = (10.0, 10.0, 90.0, 110.0)
REAL, FAKE, SUSPICIOUS, NONE = Label.LIKELY_REAL, Label.LIKELY_FAKE, Label.SUSPICIOUS, Label.NOT_ENOUGH_EVIDENCE
FRAME = frame(np.zeros((120, 120, 3), np.uint8))


def face(
    label: Label, probability: float | None = 0.5, *, track: int = 1, log_odds: float | None = 0.0, **others
) -> Face:
    reasons = (Reason.INCONCLUSIVE,) if label is NONE else ()
    return Face(BOX, track=track, label=label, probability=probability, reasons=reasons, log_odds=log_odds, **others)


def watched(*frames: tuple[float, list[Face]], still: bool = False) -> VideoWatcher:
    watch = VideoWatcher(VerdictSettings(), process=ScoreProcess(), still=still)
    for media_time, faces in frames:
        watch(FRAME, observation(faces, media_time=media_time))
    return watch


def test_a_moment_is_the_worst_of_the_faces() -> None:
    watch = watched((0.2, [face(REAL, 0.1, log_odds=-1.0), face(SUSPICIOUS, 0.8, track=2, log_odds=0.5)]))
    (moment,) = watch.moments
    assert (moment.media_time, moment.label, moment.probability) == (0.2, SUSPICIOUS, 0.8)
    assert moment.sample == pytest.approx(1 / (1 + np.exp(-0.5))), "the highest"


def test_frames_in_which_nothing_was_due_are_no_moments() -> None:
    watch = watched((0.0, [face(REAL)]), (0.04, [face(REAL, log_odds=None)]), (0.08, []), (0.2, [face(REAL)]))
    assert [moment.media_time for moment in watch.moments] == [0.0, 0.2]
    assert watch.last_time == 0.2


def test_a_rejected_face_is_a_moment_without_a_score() -> None:
    watch = watched((0.0, [face(NONE, None, log_odds=None, rejected=(Reason.TOO_DARK,))]))
    (moment,) = watch.moments
    assert moment.sample is moment.probability is None
    assert watch.mean_probability is None


def test_time_is_counted_under_the_label_that_held() -> None:
    frames = [(number / 10, [face(NONE if number < 10 else REAL)]) for number in range(31)]
    watch = watched(*frames)
    assert watch.face_seconds == pytest.approx(3.0)
    assert watch.abstaining_seconds == pytest.approx(1.0)
    assert watch.flips == 0, "the first decision is no flip"


def test_a_long_gap_counts_for_its_first_moments_only() -> None:
    watch = watched((0.0, [face(REAL)]), (60.0, [face(REAL)]))
    assert watch.face_seconds == pytest.approx(VerdictSettings().timeout)


def test_flips_are_changes_after_the_first_decision_of_each_face() -> None:
    labels = (NONE, REAL, SUSPICIOUS, SUSPICIOUS, NONE, REAL)
    watch = watched(*((number / 5, [face(label), face(REAL, track=2)]) for number, label in enumerate(labels)))
    assert watch.flips == 3


def test_an_undecided_file_is_ranked_by_its_highest_face() -> None:
    frames = [(n / 5, [face(NONE, 0.4 + 0.1 * (n % 2)), face(NONE, 0.3, track=2)]) for n in range(4)]
    assert watched(*frames).mean_probability == pytest.approx(0.45)


def test_too_few_witnesses_rank_nothing_but_a_still() -> None:
    lonely = observation([face(NONE, 0.9)])
    lonely = replace(lonely, verdicts=(replace(lonely.verdicts[0], effective_samples=1.0),))
    film = VideoWatcher(VerdictSettings(), process=ScoreProcess())
    still = VideoWatcher(VerdictSettings(), process=ScoreProcess(), still=True)
    for watch in (film, still):
        watch(FRAME, lonely)
    assert film.mean_probability is None
    assert still.mean_probability == pytest.approx(0.9)
