from pathlib import Path

import pytest
from support.clips import number_of
from support.dataset_trees import archive, bomb, encoded, face, faceless, gapped, picture

from monitor.errors import DatasetError, SourceError
from monitor.lab.datasets.frames import decode, frames_of, moments
from monitor.lab.datasets.record import FakeSpan, FlaggedFace, Record
from monitor.settings import SourceSettings

SETTINGS = SourceSettings()


def record(path: Path, label: int = 0, *spans: tuple[float, float]) -> Record:
    return Record("d", "v", path, label, spans=tuple(FakeSpan(*span) for span in spans) or None)


def chosen(one: Record, count: int) -> list[int]:
    return [frame.index for frame in frames_of(one, SETTINGS, count=count)]


class TestMoments:
    def test_the_middles_of_equal_parts(self) -> None:
        assert moments(record(Path("v")), duration=10.0, count=4) == [1.25, 3.75, 6.25, 8.75]

    def test_inside_the_spans_of_a_fake_in_proportion_to_their_length(self) -> None:
        times = moments(record(Path("v"), 1, (6.0, 9.0), (1.0, 2.0)), duration=10.0, count=4)
        assert times == [1.5, 6.5, 7.5, 8.5]

    def test_outside_the_spans_for_a_real(self) -> None:
        times = moments(record(Path("v"), 0, (1.0, 2.0), (1.5, 9.0)), duration=10.0, count=4)
        assert times == [0.25, 0.75, 9.25, 9.75]

    def test_spans_end_with_the_video(self) -> None:
        assert moments(record(Path("v"), 1, (8.0, 99.0)), duration=10.0, count=2) == [8.5, 9.5]

    def test_no_time_left_is_an_error(self) -> None:
        with pytest.raises(DatasetError, match="lie outside the"):
            moments(record(Path("v"), 1, (20.0, 30.0)), duration=10.0, count=2)
        with pytest.raises(DatasetError, match="cover all of the"):
            moments(record(Path("v"), 0, (0.0, 30.0)), duration=10.0, count=2)


class TestVideos:
    def test_frames_are_spread_evenly(self, tmp_path: Path) -> None:
        path = faceless(tmp_path / "v.mp4", frames=40)
        frames = list(frames_of(record(path), SETTINGS, count=4))
        assert [frame.index for frame in frames] == [5, 15, 25, 35]
        assert [number_of(frame.pixels) for frame in frames] == [5, 15, 25, 35]
        assert [frame.media_time for frame in frames] == pytest.approx([0.2, 0.6, 1.0, 1.4])
        assert not any(frame.still or frame.picture for frame in frames)

    def test_only_fake_frames_of_a_partly_fake_video(self, tmp_path: Path) -> None:
        path = faceless(tmp_path / "v.mp4", frames=40)
        assert all(10 <= index < 20 for index in chosen(record(path, 1, (0.4, 0.8)), 5))
        assert not any(10 <= index < 20 for index in chosen(record(path, 0, (0.4, 0.8)), 8))

    def test_a_short_video_gives_each_frame_once(self, tmp_path: Path) -> None:
        assert chosen(record(faceless(tmp_path / "v.mp4", frames=3)), 50) == [0, 1, 2]

    def test_one_that_ends_early_gives_fewer_and_never_none(self, tmp_path: Path) -> None:
        path = faceless(tmp_path / "v.mkv", frames=40)
        claimed = path.read_bytes()
        path.write_bytes(claimed[: len(claimed) // 3])
        assert 1 <= len(chosen(record(path), 8)) < 8
        assert len(chosen(record(path), 1)) == 1

    def test_what_cannot_be_read_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "v.mp4").write_bytes(b"nonsense")
        with pytest.raises(SourceError, match=r"v\.mp4"):
            chosen(record(tmp_path / "v.mp4"), 2)


class TestGaps:
    def times(self, one: Record, count: int = 8) -> list[float]:
        return [frame.media_time for frame in frames_of(one, SETTINGS, count=count)]

    def test_no_frame_after_a_gap_is_taken_for_one_in_it(self, tmp_path: Path) -> None:
        path = gapped(tmp_path / "v.mp4")
        fakes = self.times(record(path, 1, (1.0, 3.9)))
        assert len(fakes) >= 3
        assert all(1.0 <= time < 3.9 for time in fakes)
        assert all(time >= 4.0 for time in self.times(record(path, 0, (0.0, 3.9))))

    def test_spans_without_a_single_frame_are_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="no frame of it lies in the spans that count"):
            self.times(record(gapped(tmp_path / "v.mp4"), 1, (2.5, 3.5)))


def test_only_the_part_in_which_a_face_was_flagged_counts(tmp_path: Path) -> None:
    path = faceless(tmp_path / "v.mp4", frames=40)
    part = (FlaggedFace(None, 0.4, 0.8),)
    assert chosen(Record("d", "v", path, 0, flagged=part), 4) == [11, 14, 16, 19]
    spans = (FakeSpan(0.0, 0.6),)
    assert all(10 <= index < 15 for index in chosen(Record("d", "v", path, 1, spans=spans, flagged=part), 4))
    with pytest.raises(DatasetError, match="its flagged spans lie outside the"):
        chosen(Record("d", "v", path, 0, flagged=(FlaggedFace(None, 7.0, 8.0),)), 4)


class TestPictures:
    def test_a_picture_is_one_frame(self, tmp_path: Path) -> None:
        (frame,) = frames_of(record(picture(tmp_path / "p.png")), SETTINGS, count=8)
        assert frame.still
        assert frame.picture
        assert (frame.pixels == face()).all()

    def test_members_of_an_archive_in_natural_order(self, tmp_path: Path) -> None:
        pictures = [face(shift=number) for number in range(12)]
        path = archive(tmp_path / "1.tar.gz", {f"./1/s/{n}.png": encoded(one) for n, one in enumerate(pictures)})
        frames = list(frames_of(record(path / "1" / "s"), SETTINGS, count=3))
        assert [frame.index for frame in frames] == [2, 6, 10]
        assert all((frame.pixels == pictures[frame.index]).all() for frame in frames)
        assert all(frame.picture and not frame.still for frame in frames)

    def test_damaged_or_absent_members_are_errors(self, tmp_path: Path) -> None:
        path = archive(tmp_path / "1.tar", {"1/s/0.png": b"no picture"})
        with pytest.raises(DatasetError, match="no picture that can be decoded"):
            list(frames_of(record(path / "1" / "s"), SETTINGS, count=3))
        with pytest.raises(DatasetError, match="holds nothing called 1/t"):
            list(frames_of(record(path / "1" / "t"), SETTINGS, count=3))
        with pytest.raises(DatasetError, match=r"empty\.png"):
            decode(b"", name="empty.png")
        with pytest.raises(DatasetError, match=r"bomb\.png is no picture"):
            decode(bomb(), name="bomb.png")
