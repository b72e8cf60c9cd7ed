import pytest

from monitor.errors import UsageError
from monitor.settings import load_settings


@pytest.mark.parametrize(
    ("name", "value", "clause"),
    [
        ("detector.min_face_size", "3", "must be greater than or equal to 12"),
        ("detector.min_face_size", "many", "must be a whole number"),
        ("tracker.max_age", "long", "must be a number"),
        ("source.isolate", "perhaps", "must be true or false"),
        ("source.rtsp_transport", "carrier pigeon", "must be tcp or udp"),
        ("verdict.preset", "loud", "must be 'newsroom', 'balanced' or 'wall'"),
        ("detector.thresholds", "0.5,0.6", "is missing"),
        ("tracker", "1", "is a group, not a single value"),
        ("verdict.fake_at", "0.5", "real_at < suspicious_at < fake_at must hold"),
    ],
)
def test_a_wrong_value_is_a_clause_in_plain_words(name: str, value: str, clause: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(environment={}, overrides={name: value})
    assert f": {clause} (" in str(caught.value)
    for raw in ("input", "should", "value error", "string", "instance of"):
        assert raw not in str(caught.value).lower()
