import numpy as np
import pytest
from support.observations import Face, observation, summary

from monitor.overlay.heat import EvidenceMemory, colours

GREY = 120


def painted(evidence: np.ndarray, *, scale: float = 4.0, opacity: float = 0.5, side: int = 60) -> np.ndarray:
    canvas = np.full((side, side, 3), GREY, np.uint8)
    colours(evidence.astype(np.float32), (side, side), scale=scale, opacity=opacity).paste(canvas, (0, 0))
    return canvas.astype(int)


def test_red_means_fake_and_blue_means_real() -> None:
    fake, real = painted(np.full((3, 3), 4.0)).mean((0, 1)), painted(np.full((3, 3), -4.0)).mean((0, 1))
    assert fake[0] > GREY > fake[2]
    assert real[2] > GREY > real[0]


def test_no_evidence_leaves_the_picture_unchanged() -> None:
    assert (painted(np.zeros((3, 3))) == GREY).all()


def test_colour_grows_with_evidence_up_to_the_scale() -> None:
    strength = [np.abs(painted(np.full((2, 2), logit)) - GREY).max() for logit in (0.4, 1.0, 2.0, 4.0)]
    assert strength == sorted(strength)
    assert strength[0] < 0.15 * strength[-1]
    assert np.array_equal(painted(np.full((2, 2), 4.0)), painted(np.full((2, 2), 40.0)))


def test_weak_evidence_is_not_scaled_to_full_colour() -> None:
    indifferent = np.array([[-0.2, 0.0], [0.1, 0.2]])
    assert np.abs(painted(indifferent) - GREY).max() < 0.1 * np.abs(painted(indifferent * 20) - GREY).max()


def test_cells_are_at_their_positions() -> None:
    evidence = np.zeros((3, 3))
    evidence[0, 2] = 4.0
    reddish = painted(evidence)[..., 0] - GREY
    row, column = np.unravel_index(reddish.argmax(), reddish.shape)
    assert row < 20 <= 40 <= column


def test_a_map_of_one_cell_colours_the_whole_square() -> None:
    assert len(np.unique(painted(np.array([[3.0]])).reshape(-1, 3), axis=0)) == 1


def remembered(memory: EvidenceMemory, box: tuple[float, ...], track: int = 1) -> list[float] | None:
    found = memory.of(track, np.array(box, np.float32))
    return None if found is None else found[1].tolist()


def scored(media_time: float = 0.0) -> EvidenceMemory:
    memory = EvidenceMemory(hold=1.0)
    face = Face((100, 100, 180, 200), log_odds=2.0, crop=(97.5, 113.5, 182.5, 198.5))
    memory.update(observation([face], media_time=media_time))
    return memory


def test_the_map_of_a_scored_frame_covers_the_scored_square() -> None:
    assert remembered(scored(), (100, 100, 180, 200)) == [97.5, 113.5, 182.5, 198.5]


def test_between_scores_the_map_moves_and_grows_with_the_box() -> None:
    assert remembered(scored(), (130, 90, 210, 190)) == pytest.approx([127.5, 103.5, 212.5, 188.5])
    grown = remembered(scored(), (60, 50, 220, 250))
    assert grown == pytest.approx([140 - 85, 150 + 12 - 85, 140 + 85, 150 + 12 + 85])


def test_a_map_is_dropped_after_its_time() -> None:
    memory = scored(media_time=5.0)
    memory.update(observation([Face((100, 100, 180, 200))], media_time=6.0))
    assert remembered(memory, (100, 100, 180, 200)) is not None
    memory.update(observation([Face((100, 100, 180, 200))], media_time=6.04))
    assert remembered(memory, (100, 100, 180, 200)) is None


def test_a_map_is_dropped_when_its_track_ends_or_time_restarts() -> None:
    memory = scored(media_time=5.0)
    memory.update(observation(media_time=5.2, ended=[summary(1)]))
    assert remembered(memory, (100, 100, 180, 200)) is None
    memory = scored(media_time=5.0)
    memory.update(observation(media_time=0.0))
    assert remembered(memory, (100, 100, 180, 200)) is None


def test_a_face_has_only_its_own_map() -> None:
    assert remembered(scored(), (100, 100, 180, 200), track=2) is None
