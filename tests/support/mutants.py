"""Media files that are damaged on purpose: small real ones of many kinds, and what can be done to their bytes.

``tests/test_upload_faults.py`` takes some of them, ``tests/benchmarks/measure_uploads.py`` a thousand.
"""

import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image
from support import clips

from monitor.media.sources import open_source
from monitor.types import Pixels

SIZE = (240, 180)  # width, height
FRAMES = 12
_VIDEOS = (
    ("a.mp4", "libx264", {}),
    ("fragments.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
    ("a.mov", "libx264", {"movflags": "faststart"}),
    ("a.mkv", "libx264", {}),
    ("a.webm", "libvpx-vp9", {}),
    ("b.webm", "libvpx", {}),
    ("a.avi", "mpeg4", {}),
    ("a.ts", "mpeg2video", {}),
)
_SUFFIXES = (".mp4", ".webm", ".avi", ".png", ".gif", ".jpg", ".txt", "")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damaged file."""

    name: str  # as a person's machine calls it
    kind: str  # what was done to it
    content: bytes


def pictures() -> list[Pixels]:
    """The speaker of the demo, (H, W, 3) RGB; near enough to be judged."""
    with open_source("demo:") as source:
        frames = [frame.pixels[32:656, 46:878] for frame in itertools.islice(source, FRAMES)]
    return [np.asarray(cv2.resize(pixels, SIZE, interpolation=cv2.INTER_AREA), np.uint8) for pixels in frames]


def _video(path: Path, codec: str, muxing: dict[str, str], shown: list[Pixels]) -> Path:
    with av.open(str(path), "w", container_options=muxing) as out:
        stream = out.add_stream(codec, rate=25, options={"g": "6"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for pixels in shown:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode())
    return path


def seeds(folder: Path) -> list[Path]:
    """Whole files: eight videos of five containers, two moving images, two images, and one with sound alone."""
    shown = pictures()
    files = [_video(folder / name, codec, muxing, shown) for name, codec, muxing in _VIDEOS]
    images = [Image.fromarray(pixels) for pixels in shown]
    for name, moving in (("a.gif", True), ("a.webp", True), ("a.jpg", False), ("a.png", False)):
        more = {"save_all": True, "append_images": images[1:4]} if moving else {}
        images[0].save(folder / name, **more)
        files.append(folder / name)
    with av.open(str(folder / "a.wav"), "w") as out:
        track = out.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.int16), format="s16", layout="mono")
        sound.rate, sound.pts, sound.time_base = 8000, 0, Fraction(1, 8000)
        out.mux(track.encode(sound))
        out.mux(track.encode())
    return [*files, folder / "a.wav", clips.video(folder / "sound.mp4", frames=FRAMES, sound=True)]


def _whole(data: bytes, random: np.random.Generator) -> bytes:
    return data


def _bits(data: bytes, random: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(int(random.integers(1, max(2, len(data) // 200)))):
        changed[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
    return bytes(changed)


def _header(data: bytes, random: np.random.Generator) -> bytes:
    changed, reach = bytearray(data), min(1500, len(data))
    for _ in range(int(random.integers(1, 9))):
        at = int(random.integers(reach))
        changed[at : at + 4] = (b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", random.bytes(4))[random.integers(4)]
    return bytes(changed[: len(data)])


def _cut(data: bytes, random: np.random.Generator) -> bytes:
    return data[: int(random.integers(1, len(data)))]


def _zeroed(data: bytes, random: np.random.Generator) -> bytes:
    at, length = int(random.integers(len(data))), int(random.integers(1, 1 + len(data) // 3))
    return data[:at] + bytes(len(data[at : at + length])) + data[at + length :]


def _spliced(data: bytes, random: np.random.Generator) -> bytes:
    """Parts of it in another order, or twice."""
    ends = sorted(int(end) for end in random.integers(0, len(data), 3))
    parts = [data[begin:end] for begin, end in itertools.pairwise([0, *ends, len(data)])]
    return parts[0] + b"".join(parts[1 + int(index)] for index in random.integers(0, 3, 3))


def _grown(data: bytes, random: np.random.Generator) -> bytes:
    return data + random.bytes(int(random.integers(1, 20_000)))


def _bomb(data: bytes, random: np.random.Generator) -> bytes:
    """Sizes, numbers and durations of the header become huge."""
    huge = int(random.choice([0xFFFF, 0x7FFF, 0x4000]))
    if data.startswith(b"\x89PNG"):
        head = data[12:16] + struct.pack(">II", huge, huge) + data[24:29]
        return data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:]
    if data.startswith(b"GIF8"):
        return data[:6] + struct.pack("<HH", huge, huge) + data[10:]
    if data.startswith(b"\xff\xd8") and (at := data.find(b"\xff\xc0")) > 0:
        return data[: at + 5] + struct.pack(">HH", huge, huge) + data[at + 9 :]
    if data.startswith(b"RIFF"):
        return data[:32] + struct.pack("<8I", *[huge] * 8) + data[64:]
    changed = bytearray(data)
    for box in (b"mvhd", b"mdhd", b"tkhd", b"stts", b"stsz", b"avc1", b"elst", b"trun", b"\x44\x89", b"\xb0", b"\xba"):
        if (at := data.find(box)) > 0 and random.random() < 0.5:
            at += len(box) + int(random.integers(4, 29) if len(box) == 4 else 1)
            changed[at : at + 4] = struct.pack(">I", 0x7FFFFFFF if len(box) == 4 else huge)
    return bytes(changed[: len(data)])


_KINDS: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "whole": _whole,
    "bits": _bits,
    "header": _header,
    "cut": _cut,
    "zeroed": _zeroed,
    "spliced": _spliced,
    "grown": _grown,
    "bomb": _bomb,
}


def mutants(folder: Path, number: int, *, seed: int) -> Iterator[Mutant]:
    """Each kind of damage to each file in turn, some under a wrong name; and a few that are no file of anything."""
    random = np.random.default_rng(seed)
    files = seeds(folder)
    pairs = itertools.cycle(itertools.product(_KINDS.items(), files))
    odd = itertools.cycle((("empty", b""), ("noise", random.bytes(5000)), ("large picture", _large_picture())))
    for index in range(number):
        if index % 50 == 24:
            kind, content = next(odd)
            yield Mutant(f"{index:04} odd.png" if kind == "large picture" else f"{index:04} odd.mp4", kind, content)
            continue
        (kind, damage), file = next(pairs)
        name = f"{index:04} {file.name}"
        if index % 9 == 8:
            kind, name = f"{kind}, misnamed", f"{index:04} {file.stem}{random.choice(_SUFFIXES)}"
        yield Mutant(name, kind, damage(file.read_bytes(), random))


def _large_picture() -> bytes:
    """A real picture of 64 million pixels in some kilobytes: within the limit, and black."""
    side = 8000
    rows = zlib.compress(bytes((side + 1) * side), 9)
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
