"""Dolby Vision: streams without a base layer are refused, all others are read."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support import clips

from monitor.errors import SourceUnreadableError
from monitor.media.dolby_vision import has_no_base_layer
from monitor.media.sources import open_source

PICTURE = np.full((96, 96, 3), 30_000, np.uint16)


def tagged(path: Path, *, transfer: int, tag: bytes) -> Path:
    """An HEVC video with another sample entry."""
    clips.coded(path, PICTURE, matrix=9 if transfer != 2 else 2, transfer=transfer, primaries=9 if transfer != 2 else 2)
    content = path.read_bytes()
    assert content.count(b"hev1") == 1
    path.write_bytes(content.replace(b"hev1", tag))
    return path


@pytest.mark.parametrize("tag", [b"dvhe", b"dvh1"])
def test_a_video_without_a_base_layer_is_refused_with_the_reason(tmp_path: Path, tag: bytes) -> None:
    path = tagged(tmp_path / "phone.mp4", transfer=2, tag=tag)
    with pytest.raises(SourceUnreadableError, match=r"phone\.mp4: is Dolby Vision without a base layer \(profile 5\)"):
        open_source(path)


def test_a_base_layer_in_hdr10_is_read_and_converted(tmp_path: Path) -> None:
    with open_source(tagged(tmp_path / "phone.mp4", transfer=16, tag=b"dvh1")) as source:
        assert "HDR (PQ, BT.2020), converted to SDR" in source.info.notes[0]
        assert len(list(source)) == 2


@pytest.mark.parametrize(
    ("picture", "is_bare"),
    [
        ({"color_trc": 2, "colorspace": 2, "side_data": {"DOVI_METADATA": b""}}, True),
        ({"color_trc": 2, "colorspace": 2, "side_data": {"DOVI_RPU_BUFFER": b""}}, True),
        ({"color_trc": 2, "colorspace": 15, "side_data": {}}, True),
        ({"color_trc": 2, "colorspace": 2, "side_data": {}}, False),
        ({"color_trc": 16, "colorspace": 9, "side_data": {"DOVI_METADATA": b""}}, False),
    ],
)
def test_a_stream_without_the_tag_is_known_by_its_metadata(picture: dict[str, Any], *, is_bare: bool) -> None:
    frame: Any = SimpleNamespace(**picture)
    assert has_no_base_layer("hev1", frame) is is_bare
