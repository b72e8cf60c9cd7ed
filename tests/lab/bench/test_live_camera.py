from itertools import islice, pairwise
from pathlib import Path

import pytest
from support.clips import video

from monitor.errors import MonitorError
from monitor.lab.bench.live_camera import live_camera
from monitor.media.sources import open_source


def test_a_clip_is_played_again_and_again_as_one_live_stream(tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4", frames=12, size=(160, 120))
    with live_camera(clip) as url, open_source(url) as source:
        assert source.info.live
        times = [frame.media_time for frame in islice(source, 30)]
    assert times[-1] == pytest.approx(29 / 25, abs=1e-3)
    assert all(earlier < later for earlier, later in pairwise(times))


def test_several_clients_may_watch_and_leave(tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4", frames=12, size=(160, 120))
    with live_camera(clip) as url:
        for _ in range(2):
            with open_source(url) as first, open_source(url) as second:
                assert next(iter(first)).media_time == next(iter(second)).media_time == 0


def test_a_camera_that_does_not_start_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.lab.bench.live_camera.sys.executable", "/bin/true")
    with pytest.raises(MonitorError, match="did not start"), live_camera(tmp_path / "clip.mp4"):
        pass
