from functools import partial
from pathlib import Path

import pytest
from support.clips import video

from monitor.analysis.pipeline import Engines
from monitor.errors import SourceError
from monitor.lab.bench.clips import crowd_clip, empty_clip, one_face_clip, scaled_clip
from monitor.media.sources import open_source


def test_the_clips_show_as_many_faces_as_they_say(tmp_path: Path, engines: Engines) -> None:
    four = partial(crowd_clip, people=4)
    for make, faces in ((one_face_clip, 1), (crowd_clip, 5), (four, 4), (empty_clip, 0)):
        with open_source(make(tmp_path / f"{faces}.mp4", seconds=1)) as source:
            assert (source.info.width, source.info.height) == (1280, 720)
            frames = list(source)
        assert len(frames) == 25
        assert len(engines.faces.detect(frames[12].pixels)) == faces


def test_a_short_video_is_scaled_and_played_there_and_back(tmp_path: Path) -> None:
    original = video(tmp_path / "original.mp4", frames=12, size=(160, 120))
    with open_source(scaled_clip(original, tmp_path / "scaled.mp4", seconds=2)) as source:
        assert (source.info.width, source.info.height) == (960, 720)
        assert sum(1 for _ in source) == 50


def test_an_unreadable_video_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        scaled_clip(tmp_path / "absent.mp4", tmp_path / "scaled.mp4", seconds=1)
