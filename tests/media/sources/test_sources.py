"""The public functions; each kind of source has its own tests."""

from pathlib import Path

import pytest
from PIL import Image
from support import clips

import monitor.media.sources
from monitor.errors import MonitorError, UsageError
from monitor.media.sources import Source, open_source
from monitor.system.masking import mask


def test_all_exported_names_exist() -> None:
    for name in monitor.media.sources.__all__:
        assert getattr(monitor.media.sources, name) is not None


def test_every_kind_of_local_source_opens(tmp_path: Path) -> None:
    clips.video(tmp_path / "a.mp4")
    for url in ("demo:", tmp_path, tmp_path / "a.mp4", str(tmp_path / "a.mp4")):
        with open_source(url) as source:
            assert isinstance(source, Source)
            frame = next(iter(source))
            assert (frame.index, frame.media_time) == (0, 0.0)
            assert (frame.width, frame.height) == (source.info.width, source.info.height)
        source.close()


def test_drops_are_a_snapshot(tmp_path: Path) -> None:
    with open_source(clips.video(tmp_path / "a.mp4")) as source:
        before = source.drops
        list(source)
        assert before is not source.drops
        assert before == {}


@pytest.mark.parametrize("url", ["gopher://host/a", "screen:wide"])
def test_an_invalid_address_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError):
        open_source(url)


def test_no_error_shows_a_password() -> None:
    url = "rtsp://me:secret@127.0.0.1:9/cam?token=hidden"
    with pytest.raises(MonitorError) as caught:
        open_source(url)
    assert mask(url) in str(caught.value)
    assert caught.value.__suppress_context__
    assert "secret" not in str(caught.value)


def test_sources_without_packets_cannot_be_tapped(tmp_path: Path) -> None:
    class Nobody:
        def begin(self, stream: object) -> bool:
            raise AssertionError

        packet = picture = begin

    Image.fromarray(clips.picture(1)).save(tmp_path / "a.png")
    for url in ("demo:", tmp_path, tmp_path / "a.png"):
        with open_source(url) as source:
            assert not source.tap(Nobody())
