import logging
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from monitor.errors import OutputError
from monitor.media.soundtrack import add_sound
from monitor.media.video_writer import VideoWriter

RATE = 48_000
CLICK = 2.0  # seconds on the source's clock
VIDEO_FROM, VIDEO_TO = 0.8, 3.2


def make_clip(
    path: Path, codec: str, *, audio_from: float = 0.0, audio_to: float = 3.6, channels: str = "stereo"
) -> None:
    """A clip whose pictures begin late, with a tone that starts at CLICK."""
    with av.open(path, "w") as out:
        pictures = out.add_stream("mpeg2video" if path.suffix == ".ts" else "libx264", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        pictures.codec_context.max_b_frames = 0
        sound = out.add_stream(codec, rate=RATE, layout=channels)
        times = np.arange(round((audio_to - audio_from) * RATE)) / RATE + audio_from
        tone = np.where(times >= CLICK, 0.6 * np.sin(2 * np.pi * 880 * times), 0.0).astype(np.float32)
        for start in range(0, len(tone), 1024):
            planes = np.repeat(tone[None, start : start + 1024], 2 if channels == "stereo" else 1, axis=0)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), format="fltp", layout=channels)
            frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
            frame.pts = round(audio_from * RATE) + start
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
        for index in range(round(VIDEO_FROM * 25), round(VIDEO_TO * 25)):
            picture = av.VideoFrame.from_ndarray(np.full((72, 64), 128, np.uint8), format="yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            out.mux(pictures.encode(picture))
        out.mux(pictures.encode(None))


def annotate(clip: Path, path: Path) -> None:
    """Each picture of a clip at its media time, as written by the pipeline."""
    with av.open(clip) as container, VideoWriter(path, fps=25.0, audio_from=clip) as out:
        start = None
        for frame in container.decode(video=0):
            start = frame.time if start is None else start
            out.write(frame.to_ndarray(format="rgb24"), frame.time - start)


def first_picture(path: Path) -> float:
    with av.open(path) as container:
        return next(container.decode(video=0)).time or 0.0


def sound(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times and samples of the first channel."""
    times, samples = [], []
    with av.open(path) as container:
        for frame in container.decode(audio=0):
            channel = frame.to_ndarray()[0].astype(np.float64)
            channel = channel[:: len(frame.layout.channels)] if not frame.format.is_planar else channel
            times.append((frame.time or 0.0) + np.arange(len(channel)) / frame.sample_rate)
            samples.append(channel / (32768 if frame.format.name.startswith("s16") else 1))
    return np.concatenate(times), np.concatenate(samples)


def onset(path: Path) -> float:
    times, samples = sound(path)
    return float(times[np.abs(samples) > 0.2][0])


def codec(path: Path) -> str | None:
    with av.open(path) as container:
        streams = container.streams.audio
        return streams[0].codec_context.name if streams else None


@pytest.mark.parametrize(
    ("name", "source", "kept"),
    [
        ("a.mkv", "aac", "aac"),
        ("a.mp4", "aac", "aac"),
        ("a.mkv", "mp2", "aac"),
        ("a.mkv", "pcm_s16le", "aac"),
        ("a.mkv", "flac", "aac"),
        ("a.ts", "aac", "aac"),
        ("a.ts", "mp2", "aac"),
    ],
)
def test_sound_stays_in_sync_when_pictures_begin_late(tmp_path: Path, name: str, source: str, kept: str) -> None:
    clip, out = tmp_path / name, tmp_path / "out.mp4"
    make_clip(clip, source)
    annotate(clip, out)
    assert codec(out) == kept
    assert first_picture(out) == 0.0
    assert onset(out) == pytest.approx(onset(clip) - first_picture(clip), abs=0.004)
    times, _ = sound(out)
    assert times[0] >= -1e-6
    assert times[-1] == pytest.approx(VIDEO_TO - VIDEO_FROM, abs=0.06), "it ends with the pictures"


def test_sound_that_begins_after_the_pictures_keeps_its_offset(tmp_path: Path) -> None:
    for source in ("aac", "mp2"):
        clip, out = tmp_path / f"{source}.mkv", tmp_path / f"{source}.mp4"
        make_clip(clip, source, audio_from=1.5)
        annotate(clip, out)
        assert onset(out) == pytest.approx(onset(clip) - first_picture(clip), abs=0.004)


def test_aac_is_copied_bit_for_bit(tmp_path: Path) -> None:
    def packets(path: Path) -> list[bytes]:
        with av.open(path) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    clip, out = tmp_path / "a.mkv", tmp_path / "out.mp4"
    make_clip(clip, "aac")
    annotate(clip, out)
    copied, original = packets(out), packets(clip)
    starts = range(len(original) - len(copied) + 1)
    assert len(copied) > 100
    assert any(copied == original[start : start + len(copied)] for start in starts)


def test_mono_stays_mono(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mkv", "mp2", channels="mono")
    annotate(tmp_path / "a.mkv", tmp_path / "out.mp4")
    with av.open(tmp_path / "out.mp4") as container:
        assert container.streams.audio[0].codec_context.layout.name == "mono"


def test_a_clip_without_sound_stays_silent(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "silent.mp4", fps=25.0) as out:
        for step in range(5):
            out.write(np.zeros((48, 64, 3), np.uint8), step / 25)
    annotate(tmp_path / "silent.mp4", tmp_path / "out.mp4")
    assert codec(tmp_path / "out.mp4") is None


def test_unreadable_sound_is_skipped_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "no clip.mp4").write_text("text")
    with (
        caplog.at_level(logging.WARNING),
        VideoWriter(tmp_path / "out.mp4", fps=25.0, audio_from=tmp_path / "no clip.mp4") as out,
    ):
        out.write(np.zeros((48, 64, 3), np.uint8), 0.0)
    assert codec(tmp_path / "out.mp4") is None
    assert "no clip.mp4: some of its sound is left out" in caplog.text


def test_sound_is_skipped_and_logged_if_its_reader_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clip = tmp_path / "a.mkv"
    make_clip(clip, "aac")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with caplog.at_level(logging.WARNING):
        annotate(clip, tmp_path / "out.mp4")
    assert codec(tmp_path / "out.mp4") is None
    assert "a.mkv: the process that reads it ended by itself" in caplog.text
    assert "the annotated video has no sound" in caplog.text
    assert {path.name for path in tmp_path.iterdir()} == {"a.mkv", "out.mp4"}


def test_damaged_sound_is_skipped_and_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clip = tmp_path / "a.mkv"
    make_clip(clip, "flac")
    content = bytearray(clip.read_bytes())
    noise = np.random.default_rng(0).integers(0, 255, len(content), dtype=np.uint8)
    for start in range(len(content) // 3, len(content) // 2, 700):
        content[start : start + 60] = noise[start : start + 60].tobytes()
    damaged = tmp_path / "damaged.mkv"
    damaged.write_bytes(content)
    with caplog.at_level(logging.WARNING), VideoWriter(tmp_path / "out.mp4", fps=25.0, audio_from=damaged) as out:
        for step in range(60):
            out.write(np.zeros((48, 64, 3), np.uint8), step / 25)
    assert caplog.text.count("some of its sound is left out") <= 1
    assert codec(tmp_path / "out.mp4") == "aac"


def test_a_failed_write_of_pictures_and_sound_is_an_output_error(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mkv", "aac")
    annotate(tmp_path / "a.mkv", tmp_path / "out.mp4")
    with pytest.raises(OutputError, match="cannot be written"):
        add_sound(tmp_path / "a.mkv", tmp_path / "out.mp4", tmp_path / "absent" / "again.mp4", 1.0)


@pytest.mark.media
def test_sound_of_a_real_clip_keeps_its_position(tmp_path: Path, media: Path) -> None:
    clip, out = media / "real" / "scene_cuts.mp4", tmp_path / "out.mp4"
    start = first_picture(clip)
    assert start > 0.5, "its pictures begin late"
    annotate(clip, out)
    times, samples = sound(clip)
    kept_times, kept = sound(out)
    for second in (1.0, 4.0, 8.0):
        ours = kept[np.searchsorted(kept_times, second) :][:2048]
        theirs = samples[np.searchsorted(times, second + start) :][:2048]
        lags = [np.corrcoef(ours[200:-200], np.roll(theirs, lag)[200:-200])[0, 1] for lag in range(-100, 101)]
        assert max(lags) > 0.99
        assert abs(int(np.argmax(lags)) - 100) <= 10, "a quarter of a millisecond"


def test_an_avi_with_mp3_sound_and_latin_1_metadata_keeps_its_sound(tmp_path: Path) -> None:
    source = tmp_path / "old.avi"
    with av.open(source, "w") as container:
        container.metadata["title"] = "CAFEX"
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("mp3", rate=44100, layout="mono")
        for _ in range(25):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        silence.rate = 44100
        container.mux(audio.encode(silence))
        container.mux(audio.encode(None))
        container.mux(video.encode(None))
    content = source.read_bytes()
    assert b"CAFEX" in content
    source.write_bytes(content.replace(b"CAFEX", b"CAF\xe9X"))
    with VideoWriter(tmp_path / "annotated.mp4", fps=25, audio_from=source) as annotated:
        for index in range(25):
            annotated.write(np.zeros((48, 64, 3), np.uint8), index / 25)
    with av.open(tmp_path / "annotated.mp4") as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        assert sum(frame.samples for frame in container.decode(audio=0)) > 40_000
