"""Hints appear for frozen, looped or mistimed streams, and never in genuine footage."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from support import clips, rtsp_server
from support.footage import portrait
from support.observations import source_info

from monitor.analysis.integrity import Integrity, _grid
from monitor.media.sources import open_source
from monitor.media.sources.demo import DemoSource
from monitor.types import Frame, Hint, HintKind, Pixels, SourceInfo

FPS = 25
START = datetime(2026, 1, 1, tzinfo=UTC)
LIVE = source_info(live=True, kind="rtsp", duration=None, frame_count=None)
FILE = source_info(Path("a.mp4"))


@cache
def sampled_demo() -> tuple[Frame, ...]:
    """The demo as a live source sends it, of its pixels only every fourth, which are all that is looked at."""
    return tuple(
        replace(one, pixels=one.pixels[::4, ::4].copy(), captured_at=START + timedelta(seconds=one.media_time))
        for one in DemoSource(24.0)
    )


@cache
def talk(seconds: float) -> tuple[Pixels, ...]:
    """The demo's first seconds at half size: a moving person with sensor noise."""
    return tuple(
        np.asarray(cv2.resize(frame.pixels, (640, 360), interpolation=cv2.INTER_NEAREST), np.uint8)
        for frame in DemoSource(seconds)
    )


def noisy(picture: Pixels, count: int, *, sigma: float = 1.5, seed: int = 0) -> list[Pixels]:
    """A motionless scene with sensor noise."""
    rng = np.random.default_rng(seed)
    noise = (rng.standard_normal(picture.shape, np.float32) * np.float32(sigma) for _ in range(count))
    return [np.clip(picture + one, 0, 255).astype(np.uint8) for one in noise]


def frames(
    pictures: Iterable[Pixels], *, fps: float = FPS, arrival: Callable[[float], float] = lambda time: time
) -> Iterator[Frame]:
    """Frames at an even rate; ``arrival`` maps media time to arrival time."""
    for index, pixels in enumerate(pictures):
        time = index / fps
        yield Frame(pixels, index, time, START + timedelta(seconds=arrival(time)), "test")


def hints(
    info: SourceInfo | None, stream: Iterable[Frame], *, disordered: Callable[[Frame], int] = lambda frame: 0
) -> list[Hint]:
    """All hints; the current ones have no end. ``disordered`` is the source's count at a frame."""
    integrity = Integrity(info)
    found: list[Hint] = []
    for frame in stream:
        changes = integrity.update(frame, disordered=disordered(frame))
        for hint in changes:
            known = [one for one in found if one.kind is hint.kind and one.end is None]
            assert bool(known) is (hint.end is not None), "it ends once, after it began"
            found = [one for one in found if one not in known] + [hint]
        assert set(integrity.active) == {hint for hint in found if hint.end is None}
    return found


def coded(path: Path, pictures: Sequence[Pixels], *, crf: int = 26, fps: int = FPS) -> Path:
    """H.264 with a camera's settings."""
    height, width, _ = pictures[0].shape
    with av.open(str(path), "w") as out:
        options = {"crf": str(crf), "preset": "veryfast", "tune": "zerolatency", "g": "50", "threads": "1"}
        stream = out.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    return path


def of_file(path: Path, **changes: object) -> list[Hint]:
    """Hints on a file, with its description changed."""
    with open_source(path) as source:
        paced = (replace(one, captured_at=START + timedelta(seconds=one.media_time)) for one in source)
        info = replace(source.info, **changes)  # type: ignore[arg-type]
        return hints(info, paced, disordered=lambda frame: source.disordered)


class TestGenuine:
    @pytest.mark.parametrize("live", [False, True])
    def test_the_demo_gives_no_hint(self, live: bool) -> None:
        """It moves in slow waves that nearly repeat, with noise that repeats."""
        assert hints(replace(DemoSource(24.0).info, live=live), sampled_demo()) == []

    def test_of_a_large_picture_every_fourth_pixel_is_looked_at(self) -> None:
        whole = next(iter(DemoSource(1.0))).pixels
        assert np.array_equal(_grid(whole), _grid(whole[::4, ::4]))

    @pytest.mark.media
    @pytest.mark.parametrize(
        "name",
        ["real/webcam_ewon.mp4", "real/ffpp_519.mp4", "real/talking_1008_frames.mp4", "real/multiface_1080p.mp4",
         "real/scene_cuts.mp4", "real/grid_bbaf2n.mpg", "fake/vasa1_l4.mp4", "unlabelled/noface_bottles.mp4"],
    )  # fmt: skip
    def test_genuine_footage_gives_no_hint(self, media: Path, name: str) -> None:
        assert of_file(media / name, live=True) == []

    def test_a_single_picture_gives_no_hint(self) -> None:
        assert hints(source_info(kind="image", still=True), frames([portrait()])) == []

    def test_a_folder_with_one_picture_in_several_sizes_gives_no_hint(self) -> None:
        shown = [*[portrait()] * 60, *[portrait()[:200]] * 60]
        assert hints(source_info(kind="folder"), frames(shown)) == []

    def test_an_unknown_source_counts_as_a_file(self) -> None:
        assert hints(None, frames([portrait()] * 100)) == []


class TestFrozen:
    def test_a_live_picture_without_change_is_frozen_until_it_moves(self) -> None:
        scene = noisy(portrait(), 1)
        shown = [*noisy(portrait(), 50), *scene * 100, *noisy(portrait(), 25, seed=1)]
        (hint,) = hints(LIVE, frames(shown))
        assert hint.kind is HintKind.FROZEN
        assert hint.start == pytest.approx(2.0, abs=0.1)
        assert hint.end == pytest.approx(6.0, abs=0.4), "a refresh may take so long"

    @pytest.mark.parametrize("crf", [20, 28])
    def test_encoder_refreshes_do_not_hide_a_frozen_picture(self, tmp_path: Path, crf: int) -> None:
        talking = talk(5.0)
        coded(tmp_path / "a.mp4", [*talking[:50], *[talking[50]] * 150, *talking[51:75]], crf=crf)
        (hint,) = of_file(tmp_path / "a.mp4", live=True, kind="rtsp")
        assert (hint.kind, hint.end) == (HintKind.FROZEN, pytest.approx(8.0, abs=0.5))
        assert 1.9 <= hint.start <= 3.5

    def test_a_moment_of_stillness_is_not_frozen(self) -> None:
        shown = [*noisy(portrait(), 25), *[portrait()] * 45, *noisy(portrait(), 25, seed=1)]
        assert hints(LIVE, frames(shown)) == []

    def test_a_still_scene_with_a_sensors_noise_is_not_frozen(self, tmp_path: Path) -> None:
        shown = noisy(portrait(), 120)
        assert hints(LIVE, frames(shown)) == []
        assert of_file(coded(tmp_path / "a.mp4", shown, crf=18), live=True, kind="rtsp") == []

    def test_a_few_frames_far_apart_give_no_hint(self) -> None:
        assert hints(LIVE, frames([portrait()] * 9, fps=1)) == []

    @pytest.mark.parametrize("each", [3, 5, 12])
    def test_a_slow_camera_in_a_fast_stream_is_not_frozen(self, each: int) -> None:
        shown = [picture for picture in talk(5.0)[::each] for _ in range(each)]
        assert hints(LIVE, frames(shown)) == []

    @pytest.mark.parametrize("info", [FILE, replace(LIVE, kind="screen")])
    def test_files_and_screens_may_stand_still(self, info: SourceInfo) -> None:
        assert hints(info, frames([portrait()] * 120)) == []


class TestLooped:
    @pytest.mark.parametrize("crf", [20, 30])
    def test_a_repeated_passage_is_a_loop(self, tmp_path: Path, crf: int) -> None:
        passage = list(talk(5.0)[:75])
        coded(tmp_path / "a.mp4", [*passage, *passage, *talk(5.0)[75:115]], crf=crf)
        (hint,) = of_file(tmp_path / "a.mp4")
        assert (hint.kind, hint.detail) == (HintKind.LOOPED, "the same pictures as 3.0 s before")
        assert 2.9 <= hint.start <= 4.0
        assert hint.end == pytest.approx(6.5, abs=0.4)

    def test_a_loop_continues_over_several_repetitions(self, tmp_path: Path) -> None:
        coded(tmp_path / "a.mp4", list(talk(5.0)[:60]) * 3)
        (hint,) = of_file(tmp_path / "a.mp4")
        assert (hint.kind, hint.end) == (HintKind.LOOPED, None)

    def test_a_live_loop_is_found_despite_dropped_frames(self) -> None:
        shown = list(frames(list(talk(5.0)[:100]) * 2))
        kept = [frame for frame in shown if np.random.default_rng(frame.index).random() < 0.7]
        (hint,) = hints(LIVE, kept)
        assert hint.kind is HintKind.LOOPED

    def test_a_passage_of_half_a_second_is_not_a_loop(self) -> None:
        shown = talk(5.0)
        assert hints(FILE, frames([*shown[:60], *shown[48:60], *shown[60:100]])) == []

    @pytest.mark.parametrize(("pause", "kinds"), [(100, [HintKind.LOOPED]), (125, [])])
    def test_a_loop_is_found_within_two_minutes(self, pause: int, kinds: list[HintKind]) -> None:
        passage = talk(5.0)[:50]
        between = noisy(passage[0], pause, sigma=1.0)  # one frame a second
        times = [*(index / FPS for index in range(50)), *(2.0 + index for index in range(pause))]
        times += [3.0 + pause + index / FPS for index in range(50)]
        stream = [
            Frame(pixels, index, time, START + timedelta(seconds=time), "test")
            for index, (pixels, time) in enumerate(zip([*passage, *between, *passage], times, strict=True))
        ]
        assert [hint.kind for hint in hints(FILE, stream)] == kinds

    def test_a_scene_without_movement_is_not_a_loop(self, tmp_path: Path) -> None:
        scene = noisy(portrait(), 30)
        assert hints(FILE, frames(scene * 5)) == []
        assert of_file(coded(tmp_path / "a.mp4", noisy(portrait(), 150), crf=34)) == []

    def test_a_blinking_lamp_is_not_a_loop(self) -> None:
        lit = portrait().copy()
        lit[:200, :200] = 255
        scene = [*noisy(portrait(), 25), *noisy(lit, 25)]
        assert hints(FILE, frames(scene * 4)) == []

    def test_a_fast_periodic_movement_is_not_a_loop(self) -> None:
        """A fan, or light that beats with the shutter: repetitions of less than a second."""
        swing = [np.roll(portrait(), round(20 * math.sin(2 * math.pi * step / 15)), axis=1) for step in range(15)]
        assert hints(FILE, frames(swing * 10)) == []

    def test_a_flat_picture_is_not_a_loop(self) -> None:
        assert hints(FILE, frames([np.full((90, 160, 3), 20, np.uint8)] * 100)) == []

    def test_memory_is_bounded(self) -> None:
        """After four minutes the oldest fingerprints are dropped, and a loop is still found."""
        passage = [picture[::4, ::4] for picture in talk(5.0)[:50]]
        rng = np.random.default_rng(0)
        other = [np.asarray(cv2.resize(rng.integers(0, 256, (9, 16, 3), np.uint8), (160, 90))) for _ in range(6000)]
        (hint,) = hints(FILE, frames([*other, *passage, *passage]))
        assert (hint.kind, hint.detail) == (HintKind.LOOPED, "the same pictures as 2.0 s before")


class TestTimeStamps:
    @staticmethod
    def stamped(path: Path, stamps: Sequence[int]) -> Path:
        """A file whose frames have these timestamps, hundredths of a second."""
        film = coded(path.with_suffix(".mp4"), [portrait()[::4, ::4]] * len(stamps))
        with av.open(str(film)) as plain, av.open(str(path), "w") as out:
            copy = out.add_stream_from_template(plain.streams.video[0])
            packets = [packet for packet in plain.demux(video=0) if packet.size]
            for packet, stamp in zip(packets, stamps, strict=True):
                packet.stream = copy
                packet.time_base = Fraction(1, 100)
                packet.pts = packet.dts = stamp
                out.mux(packet)
        return path

    def test_repeated_timestamps_in_a_file_give_a_hint(self, tmp_path: Path) -> None:
        stamps = [*range(0, 400, 4), 400, 400, 400, *range(404, 1000, 4)]
        (hint,) = of_file(self.stamped(tmp_path / "a.mkv", stamps))
        assert (hint.kind, hint.end) == (HintKind.DUPLICATED_PTS, None)
        assert hint.start == pytest.approx(4.0, abs=0.1)

    def test_the_hint_ends_after_a_while_of_ordered_timestamps(self) -> None:
        stream = frames([portrait()[:9, :16]] * 400)
        (hint,) = hints(FILE, stream, disordered=lambda frame: int(frame.media_time >= 1))
        assert (hint.start, hint.end) == (pytest.approx(1.0), pytest.approx(11.0, abs=0.1))

    def test_even_timestamps_in_a_file_give_no_hint(self, tmp_path: Path) -> None:
        assert of_file(self.stamped(tmp_path / "a.mkv", range(0, 400, 4))) == []


class TestCadence:
    def stream(self, arrival: Callable[[float], float], *, fps: float = 10, seconds: float = 80) -> Iterator[Frame]:
        """Pictures of noise, which cause no other hint."""
        rng = np.random.default_rng(0)
        return frames(
            (rng.integers(0, 256, (9, 16, 3), np.uint8) for _ in range(round(seconds * fps))),
            fps=fps,
            arrival=arrival,
        )

    @pytest.mark.parametrize(("speed", "way"), [(2.0, "faster"), (1.5, "faster"), (0.5, "slower")])
    def test_a_drifting_live_clock_gives_a_hint(self, speed: float, way: str) -> None:
        (hint,) = hints(LIVE, self.stream(lambda time: time / speed))
        assert (hint.kind, hint.detail) == (HintKind.IMPOSSIBLE_CADENCE, f"its clock runs {way} than frames arrive")
        assert hint.start < 20

    def test_a_file_may_be_read_at_any_speed(self) -> None:
        assert hints(FILE, self.stream(lambda time: time / 20)) == []

    @pytest.mark.parametrize(
        "arrival",
        [
            lambda time: time,
            lambda time: math.ceil(time / 6) * 6,  # a playlist: six seconds at once
            lambda time: max(time, 12.0),  # the server's buffered part arrives first, at once
            lambda time: time if not 20 < time < 28 else 28.0,  # a stall, then the buffered frames
            lambda time: time if time < 20 else time + 8,  # a stall, and a constant delay from then on
            lambda time: time if time < 20 else time - 3600,  # the wall clock was set
            lambda time: time + 0.2 * math.sin(7 * time),
        ],
    )
    def test_network_delays_give_no_hint(self, arrival: Callable[[float], float]) -> None:
        assert hints(LIVE, self.stream(arrival)) == []

    def test_more_frames_than_announced_give_a_hint(self) -> None:
        assert hints(replace(LIVE, fps=25.0), self.stream(lambda time: time, fps=50, seconds=40)) == [], (
            "fields as frames"
        )
        (hint,) = hints(replace(LIVE, fps=15.0), self.stream(lambda time: time, fps=50, seconds=40))
        assert (hint.kind, hint.detail) == (HintKind.IMPOSSIBLE_CADENCE, "50 frames/s where 15 were announced")

    def test_the_hint_ends_when_the_clock_is_right_again(self) -> None:
        (hint,) = hints(LIVE, self.stream(lambda time: time / 2 if time < 40 else time - 20))
        assert hint.end is not None


class TestSizes:
    def test_a_size_change_gives_a_hint_for_a_while(self) -> None:
        large = np.zeros((360, 640, 3), np.uint8)
        (hint,) = hints(FILE, frames([*[large] * 50, *[large[:180, :320]] * 300]))
        assert hint.kind is HintKind.RESOLUTION_CHANGED
        assert hint.detail == "640 x 360 to 320 x 180"
        assert (hint.start, hint.end) == (pytest.approx(2.0), pytest.approx(12.0, abs=0.1))

    def test_a_file_joined_from_two_sizes_gives_a_hint(self, tmp_path: Path) -> None:
        parts = [clips.video(tmp_path / f"{size}.h264", frames=20, size=(size, 96)) for size in (128, 160)]
        joined = tmp_path / "joined.h264"
        joined.write_bytes(b"".join(part.read_bytes() for part in parts))
        (hint,) = of_file(joined)
        assert (hint.kind, hint.detail) == (HintKind.RESOLUTION_CHANGED, "128 x 96 to 160 x 96")


class TestVirtualCameras:
    def test_a_known_name_gives_a_hint(self) -> None:
        info = replace(LIVE, kind="webcam", device="OBS Virtual Camera")
        hint = Hint(HintKind.VIRTUAL_CAMERA, 0.0, None, info.device)
        assert hints(info, frames(noisy(portrait(), 3))) == [hint]

    def test_a_camera_reported_as_virtual_gives_a_hint(self) -> None:
        info = replace(LIVE, kind="webcam", device="HD Pro Webcam C920", virtual=True)
        (hint,) = hints(info, frames(noisy(portrait(), 3)))
        assert hint.in_words == "virtual camera (HD Pro Webcam C920)"


def test_a_turned_picture_gives_a_hint_as_long_as_it_is_turned() -> None:
    turned = Hint(HintKind.TURNED_PICTURE, 0.04, None, "upside down")
    integrity, shown = Integrity(FILE), list(frames(noisy(portrait(), 4)))
    assert integrity.update(shown[0]) == ()
    assert integrity.update(shown[1], turned=turned) == integrity.active == (turned,)
    assert integrity.update(shown[2], turned=turned) == ()
    assert integrity.update(shown[3]) == (replace(turned, end=shown[3].media_time),)
    assert turned.in_words == "picture turned (upside down)"


@pytest.mark.rtsp
@pytest.mark.parametrize("kind", [HintKind.FROZEN, HintKind.LOOPED])
def test_a_network_camera_with_a_repeated_picture_gives_a_hint(tmp_path: Path, kind: HintKind) -> None:
    """A real stream, received live."""
    if reason := rtsp_server.missing():
        pytest.skip(reason)
    talking = list(talk(5.0))
    shown = [*talking[:25], *[talking[25]] * 150] if kind is HintKind.FROZEN else talking[:50] * 3
    path = coded(tmp_path / "a.mp4", shown)
    with rtsp_server.serve(path) as url, open_source(url) as source:
        integrity = Integrity(source.info)
        found = next(changes for frame in source if (changes := integrity.update(frame)))
    assert [hint.kind for hint in found] == [kind]
    assert source.info.live
