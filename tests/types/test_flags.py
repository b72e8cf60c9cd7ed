import json

import pytest
from support.flagging import BEGIN, flag

from monitor.types import ClipState, Flag, FlagFile, Opinion

KEPT = ClipState.KEPT


@pytest.mark.parametrize(
    ("span", "warning"),
    [
        ((9.0, 14.0), ""),
        ((10.4, 13.6), ""),
        ((10.6, 14.0), "it is shorter than the requested 0:10.0 to 0:14.0"),
        ((10.0, 13.4), "it is shorter than the requested 0:10.0 to 0:14.0"),
        ((12.0004, 14.0), "it is shorter than the requested 0:10.0 to 0:14.0"),
        ((10.0, 11.9996), "it is shorter than the requested 0:10.0 to 0:14.0"),
        (
            (12.1, 14.0),
            "it does not contain the flagged moment 0:12.0, it is shorter than the requested 0:10.0 to 0:14.0",
        ),
    ],
)
def test_a_kept_clip_says_what_it_lacks(span: tuple[float, float], warning: str) -> None:
    one = flag(clip=KEPT, clip_start=span[0], clip_end=span[1])
    assert one.clip_warning == warning
    assert one.record()["clip_start"] == span[0]


def test_the_state_of_a_clip_in_words() -> None:
    assert flag(clip=KEPT, clip_start=9.0, clip_end=14.0).clip_in_words == "0:09.0 to 0:14.0"
    assert flag(clip=KEPT).clip_in_words == "kept"
    assert flag().clip_in_words == "pending"
    lost = flag(clip=ClipState.MISSING, clip_why="no space left")
    assert (lost.clip_in_words, lost.clip_warning) == ("missing: no space left", "")
    assert "clip_start" not in lost.record()


def test_a_record_as_json_is_read_back_exactly() -> None:
    reviewed = flag(opinion=Opinion.REAL, reviewed_at=BEGIN, exhibits=(FlagFile("frame.jpg", "ab" * 32, 9),), box=None)
    for one in (flag(), flag(clip=KEPT, clip_start=9.0, clip_end=14.0), reviewed):
        again = Flag.of_record(json.loads(json.dumps(one.record())))
        assert (again.canonical, again.sha256) == (one.canonical, one.sha256)
    assert reviewed.sha256 != flag().sha256
    with pytest.raises(TypeError):
        Flag.of_record({**flag().record(), "colour": "red"})
