"""Tiny data sets in the published layouts; a file says nothing but that it is there, unless it must be opened."""

import csv
import io
import os
import signal
import struct
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from support.clips import video
from support.footage import posed

from monitor.lab.datasets.face_cropper import CropResult
from monitor.lab.datasets.record import Record
from monitor.lab.datasets.resume_log import ResumeLog
from monitor.types import Pixels


def tree(root: Path, *paths: str) -> Path:
    """Files of one byte each, in the folders that their paths name."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    root.mkdir(parents=True, exist_ok=True)
    return root


def text(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def by_id(records: Sequence[Record]) -> dict[str, Record]:
    assert len({record.video_id for record in records}) == len(records)
    return {record.video_id: record for record in records}


def archive(path: Path, members: Mapping[str, bytes], *, mode: str = "w") -> Path:
    """A tar file, whose compression is ``mode``'s and not its name's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return path


def encoded(pixels: Pixels, suffix: str = ".png") -> bytes:
    done, stored = cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    assert done
    return bytes(stored)


def face(*, size: int = 160, height: float = 80.0, shift: float = 0.0) -> Pixels:
    """A square picture with one face in its middle."""
    return posed((size / 2 + shift, size / 2, height), width=size, height=size)


def picture(path: Path, pixels: Pixels | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(face() if pixels is None else pixels, path.suffix))
    return path


def faceless(path: Path, *, frames: int = 12) -> Path:
    """A video without anybody; its pictures tell their number (clips.number_of)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return video(path, frames=frames)


def film(path: Path, pictures: Sequence[Pixels]) -> Path:
    """A video of these pictures at 25 frames per second."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "16", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for pixels in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        out.mux(stream.encode())
    return path


def gapped(path: Path, *, gap: tuple[int, int] = (2000, 4000)) -> Path:
    """A video of 25 frames per second without frames between these milliseconds, as long again after them."""
    import av

    step, (start, end) = 40, gap
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "threads": "1"})
        stream.width = stream.height = 64
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        for time in (*range(0, start, step), *range(end, end + start, step)):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), time // step, np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def bomb(side: int = 60_000) -> bytes:
    """A small PNG file whose header promises ``side`` x ``side`` pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def shards(root: Path, rows: Sequence[Mapping[str, str]], crops: Mapping[str, bytes]) -> Path:
    """Face crops as they are stored: an index and one shard, ``train-00.tar``."""
    root.mkdir(parents=True, exist_ok=True)
    archive(root / "train-00.tar", {f"{name}.jpg": stored for name, stored in crops.items()})
    with (root / "index.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return root


class DeadlyJournal(ResumeLog):
    """A journal of which process after process dies: on committing ``deadly``, or as soon as one gets it."""

    def __init__(self, folder: Path, *, deadly: int, at_once: bool = False, killed: bool = False) -> None:
        super().__init__(folder, plan="deadly")
        self._deadly, self._at_once, self._killed, self._home = deadly, at_once, killed, os.getpid()

    def commit(self, number: int, cut: CropResult) -> None:
        if number == self._deadly and os.getpid() != self._home:
            if self._killed:
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(7)
        super().commit(number, cut)

    def __setstate__(self, state: dict[str, object]) -> None:
        if state["_at_once"]:
            os._exit(7)
        self.__dict__.update(state)
