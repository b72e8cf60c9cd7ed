"""HEIC pictures, as phones and cameras store them: all tiles, turned as the file says."""

from __future__ import annotations

import io
from typing import Any, Final

import av
import numpy as np
from av import VideoFrame
from av.stream import Disposition
from PIL import Image

from monitor.errors import SourceUnreadableError
from monitor.media import progress
from monitor.media.failures import too_large
from monitor.media.sources.address import Address
from monitor.media.tone_mapping import colour_note, tone_mapping

# Brands of files that hold pictures, not a sequence; FFmpeg reads only one tile of them.
PICTURE_BRANDS: Final = frozenset({"heic", "heix", "heim", "heis", "mif1", "mif2", "avif"})
HEAD_BYTES: Final = 64  # of a file, enough for its brands
_UNSPECIFIED = 2  # colour numbers of a file that does not name its colours


def brands_of(content: bytes) -> tuple[str, ...]:
    """The brands of an ISO media file, the main one first; empty for other content."""
    if content[4:8] != b"ftyp":
        return ()
    end = min(int.from_bytes(content[:4], "big"), HEAD_BYTES)
    places = (8, *range(16, end, 4))
    return tuple(content[place : place + 4].decode("latin-1") for place in places)


def is_heic(content: bytes) -> bool:
    """Whether a file's first bytes are those of a HEIC picture; AVIF is not, Pillow reads it."""
    brands = brands_of(content)
    return bool(brands) and brands[0] in PICTURE_BRANDS and "avif" not in brands


def read_heic(content: bytes, *, address: Address, max_pixels: int) -> tuple[Image.Image, tuple[str, ...]]:
    """Decode the main picture of a HEIC file.

    Returns:
        The whole picture, upright, and notes on how it was read.

    Raises:
        SourceUnreadableError: the picture is too large, or a part of it is missing.
    """
    from pi_heif import open_heif  # a library of 6 MB that few sources need

    try:
        heif = open_heif(io.BytesIO(content), convert_hdr_to_8bit=False)
        _check_size(heif.size, address=address, max_pixels=max_pixels)
        _check_tiles(content)
        image, note = _picture(heif)
    except (SourceUnreadableError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - libheif's wrapper raises many kinds of errors for broken files
        raise SourceUnreadableError(
            f"{address.name}: not all parts of this HEIC picture can be read; copy it again, or convert it to JPEG"
        ) from None
    others = f"holds {len(heif)} pictures, only the main one was looked at" if len(heif) > 1 else ""
    return image, tuple(filter(None, [note, others]))


def _check_size(size: tuple[int, int], *, address: Address, max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise too_large(address, size, max_pixels=max_pixels)


def _check_tiles(content: bytes) -> None:
    """Check that FFmpeg decodes every tile, because libheif leaves missing tiles green without an error.

    Raises:
        FFmpegError: a tile is incomplete.
        ValueError: a tile is missing or damaged.
    """
    with av.open(io.BytesIO(content), "r", options={"threads": "1"}, metadata_errors="replace") as container:
        tiles = [stream for stream in container.streams.video if stream.disposition & Disposition.dependent]
        parts = tiles or container.streams.video[:1]
        missing = {part.index for part in parts}
        for packet in container.demux(*parts):
            progress.report()
            for frame in packet.decode():
                if not isinstance(frame, VideoFrame) or frame.is_corrupt:
                    raise ValueError("a tile is damaged")
                missing.discard(packet.stream.index)
    if missing:
        raise ValueError("a tile is missing")


def _picture(heif: Any) -> tuple[Image.Image, str]:  # noqa: ANN401 - pi_heif's HeifFile
    """The main picture in SDR, and a note on its colours. libheif has turned it; EXIF must not do so again."""
    colours = heif.info.get("nclx_profile") or {}
    transfer = int(colours.get("transfer_characteristics", _UNSPECIFIED))
    primaries = int(colours.get("color_primaries", _UNSPECIFIED))
    mapping = tone_mapping(transfer, primaries)
    pixels = np.asarray(heif)
    if mapping is not None:
        deep = pixels if pixels.dtype == np.uint16 else pixels.astype(np.uint16) * 257
        deep = np.stack([deep] * 3, axis=2) if deep.ndim == 2 else deep
        return Image.fromarray(mapping.convert(np.ascontiguousarray(deep[..., :3]))), colour_note(transfer, primaries)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    return Image.fromarray(pixels), colour_note(transfer, primaries)
