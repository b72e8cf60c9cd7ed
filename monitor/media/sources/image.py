"""Image files: one upright picture, or the pictures of an animation."""

import io
import warnings
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from monitor.errors import SourceError, SourceUnreadableError
from monitor.media.failures import failure, too_large
from monitor.media.sources.address import Address
from monitor.media.sources.file import check_readable, open_file
from monitor.media.sources.heic import is_heic, read_heic
from monitor.media.sources.source import Source
from monitor.settings import SourceSettings
from monitor.types import Frame, Pixels, SourceInfo

# fmt: off
SUFFIXES = frozenset([
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".hif", ".ico", ".jfif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm",
    ".png", ".ppm", ".tga", ".tif", ".tiff", ".webp",
])
# fmt: on
_ANIMATED = {"AVIF", "GIF", "PNG", "WEBP"}  # in other formats, further pictures are pages, previews or depth maps
_BY_CONTENT = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # formats recognised without a suffix
_COLOUR_BOX = b"colrnclx"  # ISO/IEC 23008-12: the box of the colours, as code points of ITU-T H.273
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
_DEFAULT_DURATION = 100.0  # milliseconds; the browsers' default for an animation without durations


def open_image(address: Address, settings: SourceSettings) -> Source:
    """Open an image with Pillow or, if it is HEIC, with libheif; other content with an image's name goes to FFmpeg."""
    check_readable(address)
    notes: tuple[str, ...] = ()
    try:
        content = Path(address.target).read_bytes()
        if is_heic(content):
            image, notes = read_heic(content, address=address, max_pixels=settings.max_pixels)
        else:
            image = _open_with_pillow(content)
            notes = _pages_note(image)
            _require_sdr(image, content, address)
    except UnidentifiedImageError:
        return open_file(address, settings)
    except SourceError:
        raise
    except MemoryError as error:
        raise failure(error, address) from None
    except Exception:  # noqa: BLE001 - Pillow's plugins raise many kinds of errors for broken files
        raise _broken_image(address) from None
    if image.width * image.height > settings.max_pixels:
        raise too_large(address, image.size, max_pixels=settings.max_pixels)
    try:
        return ImageSource(image, address, notes=notes)
    except MemoryError as error:
        raise failure(error, address) from None
    except Exception:  # noqa: BLE001 - as above
        raise _broken_image(address) from None


def is_image(path: Path) -> bool:
    """Whether the content of a file is an image, whatever its name."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=_BY_CONTENT):
            return True
    except Exception:  # noqa: BLE001 - as in open_image; whoever opens the file reports the error
        return False


def _open_with_pillow(content: bytes) -> Image.Image:
    with warnings.catch_warnings():  # Pillow warns at its own limit; this program's limit applies
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content))


def _require_sdr(image: Image.Image, content: bytes, address: Address) -> None:
    """Check that an image is no AVIF in HDR, which Pillow decodes as if it were SDR.

    Raises:
        SourceUnreadableError: it is.
    """
    found = content.find(_COLOUR_BOX) if image.format == "AVIF" else -1
    start = found + len(_COLOUR_BOX) + 2  # behind the primaries
    coding = _HDR_TRANSFERS.get(int.from_bytes(content[start : start + 2], "big"), "") if found >= 0 else ""
    if coding:
        raise SourceUnreadableError(
            f"{address.name}: is AVIF in HDR ({coding}), which this program cannot convert; export it as HEIC, or in "
            "SDR as JPEG or PNG"
        )


def _pages_note(image: Image.Image) -> tuple[str, ...]:
    pages: int = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    return (f"holds {pages} pages, only the first was looked at",) if pages > 1 else ()


class ImageSource(Source):
    """The picture of one image file, or all pictures of an animation; decodes the first one immediately."""

    def __init__(self, image: Image.Image, address: Address, *, notes: tuple[str, ...] = ()) -> None:
        self._image = image
        self._count: int = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
        self._index = 0
        self._elapsed = 0.0
        self._closed = False
        self._ahead: tuple[Pixels, float] | None = self._decode()
        pixels, seconds = self._ahead
        info = SourceInfo(
            name=address.name,
            kind="image",
            live=False,
            width=pixels.shape[1],
            height=pixels.shape[0],
            fps=1 / seconds if self._count > 1 else None,
            frame_count=self._count,
            path=Path(address.target),
            still=self._count == 1,
            notes=notes,
        )
        super().__init__(info, Counter())

    def __iter__(self) -> Iterator[Frame]:
        while self._index < self._count and not self._closed:
            index = self._index
            try:
                pixels, seconds = self._ahead or self._decode()
            except Exception:  # noqa: BLE001 - as in open_image
                self._drops["undecodable picture"] += 1
                continue
            finally:
                self._ahead = None
                self._index += 1
            now = datetime.now(UTC)
            yield Frame(pixels=pixels, index=index, media_time=self._elapsed, captured_at=now, source=self.info.name)
            self._elapsed += seconds

    def close(self) -> None:
        self._closed = True

    def _decode(self) -> tuple[Pixels, float]:
        """The next picture and its duration, seconds."""
        self._image.seek(self._index)
        pixels = _convert(self._image)
        return pixels, (self._image.info.get("duration") or _DEFAULT_DURATION) / 1000


def _broken_image(address: Address) -> SourceUnreadableError:
    return SourceUnreadableError(f"{address.name}: is a broken image; is it complete?")


def _convert(image: Image.Image) -> Pixels:
    """An upright picture (EXIF orientation) on white where it is transparent; (H, W, 3) uint8."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey; convert() would clip it instead of scaling
        grey = np.clip(np.asarray(image, np.int32) // 257, 0, 255).astype(np.uint8)
        return np.repeat(grey[..., np.newaxis], 3, axis=2)
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return np.array(image.convert("RGB"))
