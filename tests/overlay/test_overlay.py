import numpy as np
import pytest
from support.observations import Face, frame, observation, summary

from monitor.overlay import Overlay, OverlaySettings
from monitor.types import Label, Pixels, Reason

BARE = OverlaySettings(heat_map=False, status=False)
QUIET = OverlaySettings(status=False)


def noise(height: int = 360, width: int = 640) -> Pixels:
    return np.random.default_rng(7).integers(60, 200, (height, width, 3), dtype=np.uint8)


def changed(drawn: Pixels, pixels: Pixels) -> tuple[int, int, int, int] | None:
    """Bounding box x1 y1 x2 y2 of the differing pixels."""
    rows, columns = np.nonzero((drawn != pixels).any(axis=2))
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None


def heat_only(*steps: tuple[Pixels, object]) -> tuple[Pixels, Pixels]:
    """The last of some frames drawn with and without heat-map, below any legend."""
    with_heat, without = Overlay(QUIET), Overlay(BARE)
    pictures = [(with_heat.draw(f, o), without.draw(f, o)) for f, o in steps]  # type: ignore[arg-type]
    return pictures[-1]


def test_the_frame_itself_is_never_changed() -> None:
    pixels = noise()
    published, before = frame(pixels), pixels.copy()
    drawn = Overlay().draw(published, observation([Face((200, 100, 280, 200), log_odds=3.0)]))
    assert np.array_equal(published.pixels, before)
    assert drawn.shape == pixels.shape
    assert drawn.dtype == np.uint8
    assert drawn.flags.writeable
    assert not np.array_equal(drawn, before)


def test_without_faces_and_captions_nothing_is_drawn() -> None:
    assert np.array_equal(Overlay(BARE).draw(frame(noise()), observation()), noise())


def test_captions_stay_at_the_lower_edge() -> None:
    x1, y1, x2, y2 = changed(Overlay().draw(frame(noise()), observation()), noise()) or (0, 0, 0, 0)
    assert y1 > 0.9 * 360
    assert (x1 < 20, x2 > 620, y2 <= 360) == (True, True, True)


def test_captions_do_not_cover_each_other_on_a_narrow_picture() -> None:
    portrait = noise(480, 270)
    both = Overlay().draw(frame(portrait), observation())
    _, status_top, _, _ = (
        changed(Overlay(OverlaySettings(heat_map=False)).draw(frame(portrait), observation()), portrait) or (0,) * 4
    )
    _, _, _, legend_bottom = changed(Overlay(QUIET).draw(frame(portrait), observation()), portrait) or (0,) * 4
    assert changed(both, portrait)[1] < status_top < legend_bottom  # type: ignore[index]


def test_the_heat_map_of_a_scored_frame_covers_exactly_the_scored_square() -> None:
    face = Face((200, 60, 300, 200), log_odds=3.0, crop=(210, 80, 290, 160))
    with_heat, without = heat_only((frame(noise()), observation([face])))
    assert changed(with_heat[:300], without[:300]) == (210, 80, 290, 160)


def test_between_scores_the_heat_map_moves_with_the_box() -> None:
    first = Face((200, 60, 300, 200), log_odds=3.0, crop=(210, 80, 290, 160))
    moved = Face((250, 90, 350, 230))
    with_heat, without = heat_only(
        (frame(noise()), observation([first])), (frame(noise()), observation([moved], media_time=0.04, index=1))
    )
    assert changed(with_heat[:300], without[:300]) == (260, 110, 340, 190)


def test_heat_maps_disappear_with_age_and_with_their_track() -> None:
    face, later = Face((200, 60, 300, 200), log_odds=3.0), Face((200, 60, 300, 200))
    for then in (observation([later], media_time=1.5), observation([later], media_time=0.1, ended=[summary(1)])):
        with_heat, without = heat_only((frame(noise()), observation([face])), (frame(noise()), then))
        assert changed(with_heat[:300], without[:300]) is None


def test_a_square_is_clipped_at_the_frame() -> None:
    face = Face((-40, -30, 60, 90), log_odds=-3.0, crop=(-50, -40, 70, 80))
    with_heat, without = heat_only((frame(noise()), observation([face])))
    x1, y1, x2, y2 = changed(with_heat[:300], without[:300]) or (0, 0, 0, 0)
    assert (x1, y1) == (0, 0)
    assert x2 <= 70
    assert y2 <= 80


def test_equal_frames_give_equal_pictures() -> None:
    def run() -> list[Pixels]:
        overlay = Overlay()
        return [
            overlay.draw(
                frame(noise(), step / 25, step),
                observation(
                    [Face((100 + 4 * step, 80, 180 + 4 * step, 180), log_odds=2.0 if step % 5 == 0 else None)],
                    media_time=step / 25,
                    index=step,
                ),
            )
            for step in range(8)
        ]

    for one, other in zip(run(), run(), strict=True):
        assert np.array_equal(one, other)


def test_each_label_is_drawn_differently() -> None:
    def drawn(label: Label) -> bytes:
        reasons = (Reason.TOO_SMALL,) if label is Label.NOT_ENOUGH_EVIDENCE else ()
        face = Face((200, 100, 300, 220), label=label, probability=0.5, reasons=reasons)
        return Overlay(BARE).draw(frame(noise()), observation([face])).tobytes()

    assert len({drawn(label) for label in Label}) == len(Label)


def test_a_crowd_does_not_cover_the_scene_and_its_selected_face_has_its_text() -> None:
    places = [(40 + 85 * column, 40 + 80 * row) for row in range(4) for column in range(7)]
    boxes = [(x, y, x + 35, y + 45) for x, y in places]
    flat = np.full((360, 640, 3), 128, np.uint8)

    def covered(count: int, selected: int | None = None) -> float:
        crowd = [Face(box, track) for track, box in enumerate(boxes[:count], 1)]
        drawn = Overlay(BARE).draw(frame(flat), observation(crowd), selected=selected)
        return float((drawn != flat).any(axis=2).mean())

    assert covered(12) < covered(4), "short plates"
    assert covered(28) < covered(12) * 28 / 12, "outlines only"
    assert covered(28, selected=20) > covered(28) + 0.01


def test_lines_and_letters_scale_with_the_picture() -> None:
    def ink(scale: int) -> int:
        face = Face((200 * scale, 100 * scale, 300 * scale, 220 * scale), label=Label.LIKELY_FAKE, probability=0.95)
        picture = np.full((360 * scale, 640 * scale, 3), 128, np.uint8)
        return int((Overlay(BARE).draw(frame(picture), observation([face])) != 128).any(axis=2).sum())

    assert 4 * ink(1) < ink(3) < 12 * ink(1)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 900), (900, 3), (64, 48), (100, 100)])
def test_tiny_and_thin_pictures_are_drawn_on(height: int, width: int) -> None:
    face = Face((0, 0, width, height), log_odds=1.0)
    assert Overlay().draw(frame(noise(height, width)), observation([face])).shape == (height, width, 3)


def test_a_face_on_every_edge_keeps_its_plate_inside() -> None:
    faces = [
        Face((-30, -20, 60, 80), track=1, label=Label.LIKELY_FAKE, probability=0.97),
        Face((590, -10, 700, 90), track=2),
        Face((-50, 300, 40, 420), track=3),
        Face((600, 290, 720, 400), track=4, label=Label.SUSPICIOUS, probability=0.8),
    ]
    flat = np.full((360, 640, 3), 128, np.uint8)
    drawn = Overlay(BARE).draw(frame(flat), observation(faces))
    white = (drawn > 200).all(axis=2)  # letters
    for corner in (white[:180, :320], white[:180, 320:], white[180:, :320], white[180:, 320:]):
        assert corner.sum() > 40
