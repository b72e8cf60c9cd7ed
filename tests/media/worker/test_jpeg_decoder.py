"""Pictures decoded by a real process."""

import json
import os
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.faults import descriptors

from monitor.errors import SourceUnavailableError
from monitor.media.worker.isolated_source import available
from monitor.media.worker.jpeg_decoder import JpegDecoder
from monitor.settings import SourceSettings
from monitor.system import jpeg

pytestmark = pytest.mark.skipif(not available(), reason="this system cannot hand descriptors to a process")

NOISE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
PICTURE = jpeg.encode(NOISE, quality=90)


@pytest.fixture
def decoder() -> Iterator[JpegDecoder]:
    made = JpegDecoder("Camera of ada", SourceSettings(max_pixels=64 * 48))
    yield made
    made.close()


def test_pixels_are_the_same_as_in_this_process(decoder: JpegDecoder) -> None:
    for _ in range(3):
        assert np.array_equal(decoder.decode(PICTURE), jpeg.decode(PICTURE))


def test_invalid_and_large_jpegs_are_refused_and_the_next_is_decoded(decoder: JpegDecoder) -> None:
    large = jpeg.encode(np.zeros((480, 640, 3), np.uint8), quality=90)
    for content in (b"", b"text", large):
        with pytest.raises(ValueError, match="no JPEG that can be decoded"):
            decoder.decode(content)
    assert decoder.decode(PICTURE).shape == (48, 64, 3)


def test_a_process_that_dies_is_an_error_of_the_source(decoder: JpegDecoder) -> None:
    decoder.decode(PICTURE)
    assert decoder._process is not None
    os.kill(decoder._process.pid, signal.SIGSEGV)
    with pytest.raises(SourceUnavailableError, match=r"Camera of ada: the process that reads it crashed \(SIGSEGV\)"):
        decoder.decode(PICTURE)


def test_a_closed_decoder_leaves_no_process_and_decodes_nothing() -> None:
    before = descriptors()
    decoder = JpegDecoder("Camera of ada", SourceSettings())
    decoder.decode(PICTURE)
    decoder.close()
    decoder.close()
    assert descriptors() == before
    with pytest.raises(SourceUnavailableError, match="Camera of ada: is closed"):
        decoder.decode(PICTURE)


def test_the_setting_can_disable_the_process() -> None:
    decoder = JpegDecoder("Camera of ada", SourceSettings(isolate=False))
    assert np.array_equal(decoder.decode(PICTURE), jpeg.decode(PICTURE))
    assert decoder._process is None
    decoder.close()


@pytest.mark.parametrize("messages", [{}, {"decoded": 5}, {"decoded": [0, 0]}, {"decoded": [9, 9, 3]}])
def test_a_process_with_invalid_messages_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: dict[str, object]
) -> None:
    head = json.dumps(messages).encode()
    message = struct.pack("!II", len(head), 0) + head
    program = tmp_path / "liar"
    program.write_text(
        f"#!{sys.executable}\nimport socket, sys\nend = socket.socket(fileno=int(sys.argv[-2]))\n"
        f"end.sendall({message!r})\nwhile end.recv(65536):\n    pass\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    decoder = JpegDecoder("Camera of ada", SourceSettings())
    with pytest.raises(SourceUnavailableError, match="sent an invalid message"):
        decoder.decode(PICTURE)
    decoder.close()
