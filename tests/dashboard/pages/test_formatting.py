"""Text that several pages share; tests/dashboard/pages/test_pages.py shows it on pages."""

import pytest

from monitor.dashboard.pages.formatting import engine_in_words, escape


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("onnxruntime-fp32", "onnxruntime, 32-bit numbers"),
        ("onnxruntime-cuda-fp16", "onnxruntime-cuda, 16-bit numbers"),
        ("openvino-int8", "openvino, 8-bit numbers"),
        ("other", "other"),
    ],
)
def test_an_engine_is_named_in_plain_words(name: str, words: str) -> None:
    assert engine_in_words(name) == words


def test_no_character_keeps_its_meaning_in_markdown() -> None:
    assert escape("rtsp://admin:***@cam") == r"rtsp\:\/\/admin\:\*\*\*\@cam"
