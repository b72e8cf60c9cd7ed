from pathlib import Path

import numpy as np
import pytest

from monitor.errors import DatasetError, OutputError
from monitor.lab.datasets.face_cropper import Crop, CropResult
from monitor.lab.datasets.resume_log import ResumeLog

POINTS = np.array([[1.5, 2.25]] * 5, np.float32)
CUT = CropResult(
    (
        Crop(b"\xff\xd8one\n", 7, 0.28, (1.0, 2.0, 3.5, 4.5), (640, 480), POINTS),
        Crop(b"two", None, 0.0, (0.0, 0.0, 1.0, 1.0), (1, 1), None),
    ),
    frames=3,
    faceless=1,
)


def test_what_is_committed_is_read_again(tmp_path: Path) -> None:
    journal = ResumeLog(tmp_path / "j", plan="p")
    assert 1234 not in journal
    journal.commit(1234, CUT)
    journal.commit(5, CropResult(reason="naught\nfound", frames=2, faceless=2))
    again = ResumeLog(tmp_path / "j", plan="p")
    assert 1234 in again
    read = again.read(1234)
    assert [crop.jpeg for crop in read.crops] == [b"\xff\xd8one\n", b"two"]
    assert read.crops[0].landmarks is not None
    np.testing.assert_array_equal(read.crops[0].landmarks, POINTS)
    assert (read.crops[0].frame, read.crops[0].media_time, read.crops[0].square) == (7, 0.28, (1.0, 2.0, 3.5, 4.5))
    assert read.crops[0].frame_size == (640, 480)
    assert read.crops[1].landmarks is None
    assert (read.frames, read.faceless) == (3, 1)
    assert again.read(5).reason == "naught\nfound"
    again.remove()
    assert not (tmp_path / "j").exists()


def test_another_plan_is_refused(tmp_path: Path) -> None:
    ResumeLog(tmp_path / "j", plan="p")
    with pytest.raises(DatasetError, match="unfinished crops of other options"):
        ResumeLog(tmp_path / "j", plan="q")


def test_a_half_written_entry_counts_for_nothing(tmp_path: Path) -> None:
    journal = ResumeLog(tmp_path / "j", plan="p")
    journal.commit(0, CUT)
    (tmp_path / "j" / "0000" / ".0000001-99.partial").write_bytes(b"half")
    assert 1 not in journal
    with pytest.raises(DatasetError, match="damaged"):
        journal.read(1)
    stored = tmp_path / "j" / "0000" / "0000000"
    stored.write_bytes(stored.read_bytes()[:-1])
    with pytest.raises(DatasetError, match="damaged"):
        journal.read(0)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        ResumeLog(tmp_path / "file" / "j", plan="p")
