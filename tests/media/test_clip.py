from monitor.errors import SourceError
from monitor.media.clip import gone


def test_a_span_that_is_gone_is_told_with_what_is_there() -> None:
    error = gone(1.0, 2.0, kept=(3.0, 9.0))
    assert isinstance(error, SourceError)
    assert str(error) == "there is no picture between 1.00 s and 2.00 s: the first that is there is at 3.00 s"
    assert str(gone(10.0, 12.0, kept=(3.0, 9.0))).endswith("the last that is there is at 9.00 s")
    assert str(gone(1.0, 2.0, kept=None)).endswith("there are none at all")
