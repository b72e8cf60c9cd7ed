from monitor.errors import SourceError
from monitor.media.clip import missing_span_error


def test_the_error_for_a_missing_span_names_the_available_pictures() -> None:
    error = missing_span_error(1.0, 2.0, available=(3.0, 9.0))
    assert isinstance(error, SourceError)
    assert str(error) == "there is no picture between 1.00 s and 2.00 s: the first one is at 3.00 s"
    assert str(missing_span_error(10.0, 12.0, available=(3.0, 9.0))).endswith("the last one is at 9.00 s")
    assert str(missing_span_error(1.0, 2.0, available=None)).endswith("there are none at all")
