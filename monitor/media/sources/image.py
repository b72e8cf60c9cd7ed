"""Image files: one upright picture, or those of an animation."""

import io
import warnings
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from monitor.errors import SourceUnreadableError
from monitor.media.failures import failure, too_large
from monitor.media.sources.address import Address
from monitor.media.sources.file import check_readable, open_file
from monitor.media.sources.source import Source
from monitor.settings import SourceSettings
from monitor.types import Frame, Pixels, SourceInfo

# fmt: off
SUFFIXES = frozenset([
    ".avif", ".bmp", ".gif", ".ico", ".jfif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tga", ".tif",
    ".tiff", ".webp",
])
# fmt: on
_ANIMATED = {"AVIF", "GIF", "PNG", "WEBP"}  # elsewhere further pictures are pages, previews or depth maps
_UNHURRIED = 100.0  # milliseconds that browsers show a picture of an animation that names no duration


def open_image(address: Address, settings: SourceSettings) -> Source:
    """An image that Pillow knows; anything else behind such a name is FFmpeg's.

    Raises:
        SourceError: it is missing, forbidden, broken, or too large.
    """
    check_readable(address)
    try:
        with warnings.catch_warnings():  # Pillow warns at its own limit; ours decides
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(Path(address.target).read_bytes()))
    except UnidentifiedImageError:
        return open_file(address, settings)
    except MemoryError as error:
        raise failure(error, address) from None
    except Exception:  # noqa: BLE001 - Pillow's plugins raise whatever a broken file makes them stumble over
        raise _broken(address) from None
    if image.width * image.height > settings.max_pixels:
        raise too_large(address, image.size, max_pixels=settings.max_pixels)
    try:
        return ImageSource(image, address)
    except MemoryError as error:
        raise failure(error, address) from None
    except Exception:  # noqa: BLE001 - the same
        raise _broken(address) from None


class ImageSource(Source):
    """The picture of one image file, or all of an animation's; decodes the first at once."""

    def __init__(self, image: Image.Image, address: Address) -> None:
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
            duration=None,
            frame_count=self._count,
            path=Path(address.target),
            still=self._count == 1,
        )
        super().__init__(info, Counter())

    def __iter__(self) -> Iterator[Frame]:
        while self._index < self._count and not self._closed:
            index = self._index
            try:
                pixels, seconds = self._ahead or self._decode()
            except Exception:  # noqa: BLE001 - see open_still
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
        """The picture that is due, and the seconds it is shown."""
        self._image.seek(self._index)
        pixels = _rgb(self._image)
        return pixels, (self._image.info.get("duration") or _UNHURRIED) / 1000


def _broken(address: Address) -> SourceUnreadableError:
    return SourceUnreadableError(f"{address.name}: is a broken image; is it complete?")


def _rgb(image: Image.Image) -> Pixels:
    """Upright as EXIF says, on white where it is transparent; (H, W, 3) uint8."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey, which convert() would clip instead of scale
        grey = np.clip(np.asarray(image, np.int32) // 257, 0, 255).astype(np.uint8)
        return np.repeat(grey[..., np.newaxis], 3, axis=2)
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return np.array(image.convert("RGB"))
