"""HEIC pictures in tiles, as phones store them; no library writes them."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

from monitor.types import Pixels


def tiled(path: Path, pixels: Pixels, *, tile: int, quarters: int = 0) -> Path:
    """Write a picture as a grid of square tiles.

    Args:
        path: of the file.
        pixels: (H, W, 3) RGB.
        tile: side of a tile, pixels; at least 64.
        quarters: quarter turns counter-clockwise that a reader must apply (``irot``).
    """
    height, width = pixels.shape[:2]
    rows, columns = -(-height // tile), -(-width // tile)
    padded = np.pad(pixels, ((0, rows * tile - height), (0, columns * tile - width), (0, 0)), mode="edge")
    tiles = [
        _encode(padded[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile])
        for row in range(rows)
        for column in range(columns)
    ]
    grid = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    head = _box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    data_at = len(head) + len(_meta(tiles, grid, (width, height), tile=tile, quarters=quarters, data_at=0)) + 8
    meta = _meta(tiles, grid, (width, height), tile=tile, quarters=quarters, data_at=data_at)
    path.write_bytes(head + meta + _box(b"mdat", *(data for _, data in tiles)))
    return path


def _meta(
    tiles: list[tuple[bytes, bytes]], grid: bytes, size: tuple[int, int], *, tile: int, quarters: int, data_at: int
) -> bytes:
    count, main = len(tiles), len(tiles) + 1
    kinds = [_full(b"infe", 2, 1, struct.pack(">HH", number + 1, 0), b"hvc1\0") for number in range(count)]
    kinds.append(_full(b"infe", 2, 0, struct.pack(">HH", main, 0), b"grid\0"))
    parts = b"".join(struct.pack(">H", number + 1) for number in range(count))
    places, at = [], data_at
    for number, (_, data) in enumerate(tiles):
        places.append(struct.pack(">HHHHII", number + 1, 0, 0, 1, at, len(data)))
        at += len(data)
    places.append(struct.pack(">HHHHII", main, 1, 0, 1, 0, len(grid)))
    properties = [_full(b"ispe", 0, 0, struct.pack(">II", tile, tile)), _full(b"ispe", 0, 0, struct.pack(">II", *size))]
    properties += [_box(b"irot", bytes([quarters]))] + [_box(b"hvcC", config) for config, _ in tiles]
    uses = [struct.pack(">HB", number + 1, 2) + bytes([1, 0x80 | (number + 4)]) for number in range(count)]
    uses.append(struct.pack(">HB", main, 2) + bytes([2, 0x83]))
    return _full(
        b"meta",
        0,
        0,
        _full(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13)),
        _full(b"pitm", 0, 0, struct.pack(">H", main)),
        _full(b"iloc", 1, 0, struct.pack(">BBH", 0x44, 0, main), *places),
        _full(b"iinf", 0, 0, struct.pack(">H", main), *kinds),
        _full(b"iref", 0, 0, _box(b"dimg", struct.pack(">HH", main, count), parts)),
        _box(b"iprp", _box(b"ipco", *properties), _full(b"ipma", 0, 0, struct.pack(">I", main), *uses)),
        _box(b"idat", grid),
    )


def _encode(pixels: Pixels) -> tuple[bytes, bytes]:
    """The decoder configuration and the data of one tile."""
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(file, quality=90)
    content = file.getvalue()
    config = _find(content, b"meta", b"iprp", b"ipco", b"hvcC")
    return config, _find(content, b"mdat")


def _find(content: bytes, kind: bytes, *inner: bytes) -> bytes:
    found = next(payload for name, payload in _boxes(content) if name == kind)
    return _find(found[4 if kind == b"meta" else 0 :], *inner) if inner else found


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        yield kind, content[at + 8 : at + length]
        at += length


def _box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)
