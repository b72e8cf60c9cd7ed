import itertools

import numpy as np
import pytest
from support.observations import verdict

from monitor.overlay import plates
from monitor.types import Label, Reason


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    drawn = plates._plate
    monkeypatch.setattr(plates, "_plate", lambda *args: (seen.append(args[1:3]), drawn(*args))[1])
    return seen


def test_a_plate_shows_label_confidence_and_id(texts: list[tuple[str, str]]) -> None:
    plates.plate(verdict(3, Label.LIKELY_FAKE, 0.94), 16)
    plates.plate(verdict(4, Label.LIKELY_REAL, 0.07), 16)
    assert texts == [("Likely fake 94 %", "#3"), ("Likely real 93 %", "#4")]


def test_without_enough_evidence_a_plate_shows_the_main_reason(texts: list[tuple[str, str]]) -> None:
    plates.plate(verdict(5, Label.NOT_ENOUGH_EVIDENCE, 0.5, (Reason.TOO_SMALL, Reason.TOO_DARK)), 16)
    assert texts == [("Not enough evidence", "#5 · face too small")]


def test_a_short_plate_takes_a_quarter_of_the_place() -> None:
    face = verdict(12, Label.LIKELY_REAL, 0.07)
    whole, short = (plates.plate(face, 16, short=is_short).size for is_short in (False, True))
    assert 4 * short[0] * short[1] < whole[0] * whole[1]
    other = plates.plate(verdict(13, Label.LIKELY_REAL, 0.07), 16, short=True)
    assert (other.colour != plates.plate(face, 16, short=True).colour).any()


def test_shapes_differ_between_labels() -> None:
    shapes = {label: np.asarray(plates._glyph(label, 48))[..., 3] > 128 for label in Label}
    for one, other in itertools.combinations(Label, 2):
        assert (shapes[one] != shapes[other]).mean() > 0.03, (one, other)


def test_plates_fit_their_text_at_any_size() -> None:
    small, large = (plates.plate(verdict(1, Label.SUSPICIOUS, 0.8), size).size for size in (12, 24))
    assert large[0] == pytest.approx(2 * small[0], rel=0.1)
    assert large[1] == pytest.approx(2 * small[1], rel=0.1)
    short = plates.plate(verdict(1, Label.NOT_ENOUGH_EVIDENCE, None, (Reason.NO_FACE,)), 24).size
    assert plates.plate(verdict(1, Label.NOT_ENOUGH_EVIDENCE, None, (Reason.OUT_OF_FRAME,)), 24).size[0] > short[0]


def test_the_same_plate_is_drawn_once() -> None:
    one, other = (plates.plate(verdict(9, Label.SUSPICIOUS, 0.8001 + step), 18) for step in (0.0, 0.001))
    assert one is other


def test_the_font_has_all_characters() -> None:
    font = plates._font(36)
    missing = bytes(font.getmask("\ufffe"))
    words = {
        *"".join(reason.in_words for reason in Reason),
        *"".join(label.in_words for label in Label),
        *"·%<>#-+0123456789",
    }
    assert [sign for sign in sorted(words - {" "}) if bytes(font.getmask(sign)) == missing] == []


def test_the_legend_runs_from_blue_to_red() -> None:
    colour = plates.legend(4.0, 0.5, 24).colour.astype(int)
    row = colour[colour.shape[0] // 2]
    saturated = np.nonzero(np.abs(row[:, 0] - row[:, 2]) > 30)[0]
    assert row[saturated[0], 2] > row[saturated[0], 0]
    assert row[saturated[-1], 0] > row[saturated[-1], 2]
