from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from monitor.errors import OutputError
from monitor.media import video_writer
from monitor.media.video_writer import VideoWriter

PATCHES = np.array([(200, 40, 40), (40, 180, 60), (40, 70, 210), (220, 220, 220), (128, 128, 128)], np.uint8)


def picture(step: int, width: int = 160, height: int = 96) -> np.ndarray:
    """Coloured stripes and a white square that moves."""
    stripes = np.repeat(PATCHES, -(-width // len(PATCHES)), axis=0)[:width]
    pixels = np.repeat(stripes[None], height, axis=0)
    pixels[4:12, step % (width - 8) : step % (width - 8) + 8] = 255
    return pixels


def write(path: Path, times: list[float], width: int = 160, height: int = 96) -> None:
    with VideoWriter(path, fps=25.0) as out:
        for step, time in enumerate(times):
            out.write(picture(step, width, height), time)


def decode(path: Path) -> tuple[list[float], list[np.ndarray]]:
    with av.open(path) as container:
        frames = list(container.decode(video=0))
        return [frame.time or 0.0 for frame in frames], [frame.to_ndarray(format="rgb24") for frame in frames]


def test_the_video_has_a_format_that_browsers_play(tmp_path: Path) -> None:
    path = tmp_path / "annotated.mp4"
    write(path, [step / 25 for step in range(30)])
    with av.open(path) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 25
        assert float(stream.duration * stream.time_base) == pytest.approx(30 / 25)
    content = path.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat"), "plays before it is loaded whole"


def test_colours_survive_encoding(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [step / 25 for step in range(10)])
    decoded = decode(tmp_path / "a.mp4")[1][5].astype(int)
    for stripe, colour in enumerate(PATCHES):
        patch = decoded[40:80, stripe * 32 + 8 : stripe * 32 + 24]
        assert np.abs(patch.mean((0, 1)) - colour).max() < 6, colour


@pytest.mark.parametrize(
    "times",
    [
        [0.0, 0.04, 0.08, 0.12, 0.16],
        [step * 1001 / 30000 for step in range(40)],
        [0.0, 0.033, 0.5, 0.533, 2.25, 2.26, 9.0],
    ],
    ids=["25 fps", "29.97 fps", "variable"],
)
def test_every_picture_is_shown_at_its_own_media_time(tmp_path: Path, times: list[float]) -> None:
    write(tmp_path / "a.mp4", times)
    shown, pictures = decode(tmp_path / "a.mp4")
    assert shown == pytest.approx(times, abs=1e-4)
    for step, pixels in enumerate(pictures):
        columns = np.nonzero(pixels[6:10].min((0, 2)) > 235)[0]
        assert step in columns or step + 4 in columns


def test_a_repeated_media_time_advances_by_a_tick(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [0.0, 0.04, 0.04, 0.02, 0.08])
    shown, _ = decode(tmp_path / "a.mp4")
    assert len(shown) == 5
    assert shown == sorted(set(shown))
    assert shown[-1] == pytest.approx(0.08)


@pytest.mark.parametrize(("width", "height"), [(161, 97), (160, 97), (1, 1), (15, 3)])
def test_odd_sizes_are_padded_not_stretched(tmp_path: Path, width: int, height: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (-(-height // 8), -(-width // 8), 3), dtype=np.uint8)
    pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC)
    with VideoWriter(tmp_path / "a.mp4", fps=None) as out:
        out.write(pixels, 0.0)
    (decoded,) = decode(tmp_path / "a.mp4")[1]
    assert decoded.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(decoded[:height, :width].astype(int) - pixels).mean() < 25


def test_a_picture_of_another_size_is_scaled_to_the_first_one(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", fps=2.0) as out:
        out.write(np.full((90, 160, 3), 200, np.uint8), 0.0)
        out.write(np.full((180, 90, 3), 200, np.uint8), 0.5)
    first, second = decode(tmp_path / "a.mp4")[1]
    assert first.min() > 190
    bright = second[45].min(axis=1) > 100
    assert (bright.sum(), bright[80]) == (pytest.approx(45, abs=2), True)


def test_an_incomplete_video_is_hidden(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", fps=25.0) as out:
        out.write(picture(0), 0.0)
        assert [path.name[0] for path in tmp_path.iterdir()] == ["."]
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_failure_leaves_no_file_and_keeps_an_earlier_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("earlier")

    def fail() -> None:
        with VideoWriter(tmp_path / "a.mp4", fps=25.0) as out:
            out.write(picture(0), 0.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_text() == "earlier"


def test_a_writer_without_pictures_writes_no_video(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", fps=25.0):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_output_error_and_leaves_no_file(tmp_path: Path, full_disk: None) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (360, 640, 3), dtype=np.uint8) for _ in range(3)]

    def fill() -> None:
        with VideoWriter(tmp_path / "a.mp4", fps=25.0) as out:
            for step in range(60):
                out.write(noise[step % 3], step / 25)

    with pytest.raises(OutputError, match=r"a\.mp4 cannot be written"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_at_the_end_leaves_no_file(tmp_path: Path, full_disk: None) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (360, 640, 3), dtype=np.uint8)
    out = VideoWriter(tmp_path / "a.mp4", fps=25.0)
    out.write(noise, 0.0)  # still in the encoder
    with pytest.raises(OutputError, match=r"a\.mp4 cannot be written"):
        out.close()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_output_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.mp4 cannot be written: No such file"):
        VideoWriter(tmp_path / "absent" / "a.mp4", fps=25.0)


def test_without_an_encoder_the_error_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_writer.av, "codecs_available", {"h264", "mpeg4"})
    with pytest.raises(OutputError, match=r"no libx264; .*pip install av"):
        VideoWriter(tmp_path / "a.mp4", fps=25.0)


def test_equal_pictures_give_equal_files(tmp_path: Path) -> None:
    for name in ("one.mp4", "other.mp4"):
        write(tmp_path / name, [step / 25 for step in range(40)])
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "other.mp4").read_bytes()


def test_file_names_in_any_script_work(tmp_path: Path) -> None:
    write(tmp_path / "видео 証拠.mp4", [0.0, 0.04])
    assert [path.name for path in tmp_path.iterdir()] == ["видео 証拠.mp4"]


def test_an_unusual_frame_rate_plays(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", fps=float(Fraction(90000, 1))) as out:
        for step in range(5):
            out.write(picture(step), step / 10)
    assert decode(tmp_path / "a.mp4")[0] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
