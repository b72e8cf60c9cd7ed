from pathlib import Path

import pytest
from support import clips

from monitor.media.clip_length import measure_lengths


def test_the_length_is_the_time_from_the_first_to_the_last_picture(tmp_path: Path) -> None:
    even = clips.video(tmp_path / "even.mp4", frames=26, options={"bf": "3", "b_strategy": "0"})
    odd = clips.video(tmp_path / "odd.mp4", frames=3, times=[0.0, 0.5, 3.25])
    (tmp_path / "no.mp4").write_bytes(b"no video")
    sound = clips.silence(tmp_path / "sound.mp4")
    assert measure_lengths(even, odd, tmp_path / "no.mp4", tmp_path / "missing.mp4", sound) == [
        pytest.approx(1.0),
        pytest.approx(3.25),
        None,
        None,
        None,
    ]
