"""Writes crops to tar shards and ``index.csv``, deterministically."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from monitor.lab.datasets.faceset import COLUMNS, INDEX, LANDMARK_COLUMNS
from monitor.lab.datasets.record import Record

if TYPE_CHECKING:
    from monitor.lab.datasets.face_cropper import Crop

SHARD_BYTES = 44_000_000
_BLOCK, _TAR_RECORD = 512, 10_240  # a tar file is padded to the latter
_LONGEST_NAME = 80  # a plain tar header holds 100 bytes


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One row of the index, without its shard."""

    name: str
    record: Record
    original: str  # name of a fake's original crop, or ""
    source_size: tuple[int, int]  # width, height of the square in its source, pixels


class ShardWriter:
    """Writes ``<split>-NN.tar`` of at most ``limit`` bytes, and the index when the context ends without error.

    Raises:
        OSError: a file cannot be written.
    """

    def __init__(self, folder: Path, *, limit: int = SHARD_BYTES) -> None:
        self._folder = folder
        self._limit = limit
        self._rows: list[list[str]] = []
        self._open: dict[str, tuple[tarfile.TarFile, int]] = {}  # by split: the shard and the bytes in it
        self._counts: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for shard, _filled in self._open.values():
            shard.close()
        if kind is None:
            with (self._folder / INDEX).open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(COLUMNS)
                writer.writerows(self._rows)

    @property
    def files(self) -> list[str]:
        """Names of the shards and of the index."""
        shards = [_shard_name(split, number) for split, count in self._counts.items() for number in range(count)]
        return [*sorted(shards), INDEX]

    def add(self, entry: IndexEntry, crop: Crop) -> None:
        """Append one crop to a shard of its record's split."""
        record = entry.record
        shard = self._store(record.split, f"{entry.name}.jpg", crop.jpeg)
        points = [""] * len(LANDMARK_COLUMNS)
        if crop.landmarks is not None:
            points = [f"{number:.2f}" for number in crop.landmarks.ravel().tolist()]
        facts = [entry.name, str(record.label), entry.original, record.group, record.split, shard]
        size = [str(side) for side in entry.source_size]
        self._rows.append([*facts, *size, record.dataset, record.method, ";".join(record.identities), *points])

    def _store(self, split: str, name: str, content: bytes) -> str:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        # PAX equals the plain format, except for long names of existing crops.
        header = len(member.tobuf(tarfile.PAX_FORMAT))
        needed = header + -(-len(content) // _BLOCK) * _BLOCK
        shard, filled = self._open.get(split, (None, 0))
        if shard is None or _padded(filled + needed) > self._limit:
            if shard is not None:
                shard.close()
            number = self._counts.get(split, 0)
            path = self._folder / _shard_name(split, number)
            shard, filled = tarfile.open(path, "w", format=tarfile.PAX_FORMAT), 0  # noqa: SIM115 - closed on exit
            self._counts[split] = number + 1
        shard.addfile(member, io.BytesIO(content))
        self._open[split] = shard, filled + needed
        return _shard_name(split, self._counts[split] - 1)


class CropNames:
    """Gives each crop a unique name, made from its video id in plain characters."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def of(self, video_id: str) -> str:
        """A name of at most 80 letters, digits, ``_`` and ``-``, unique among all names of this object."""
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", video_id.replace("/", "__"))
        if plain != video_id.replace("/", "__") or len(plain) > _LONGEST_NAME or plain in self._given:
            digest = hashlib.sha256(video_id.encode(errors="surrogateescape")).hexdigest()[:8]
            plain = f"{plain[: _LONGEST_NAME - 9]}-{digest}"
        self._given.add(plain)
        return plain


def _shard_name(split: str, number: int) -> str:
    return f"{split}-{number:02d}.tar"


def _padded(filled: int) -> int:
    """Size of a tar file with ``filled`` bytes of members and its two closing blocks."""
    return -(-(filled + 2 * _BLOCK) // _TAR_RECORD) * _TAR_RECORD
