"""Dolby Vision without a base layer that other decoders can show (profiles 5 and 10.0).

Such a picture is coded as IPT-PQ-c2 and reshaped by metadata of each frame; without these steps its colours are wrong.
All other profiles have a base layer in SDR, HDR10 or HLG, whose transfer function is tagged.
"""

from typing import Final

from av import VideoFrame
from av.video.reformatter import ColorTrc

from monitor.errors import SourceUnreadableError

_TAGS: Final = frozenset({"dvhe", "dvh1", "dav1"})  # sample entries of Dolby Vision in MP4
_IPT_C2: Final = 15  # FFmpeg's AVCOL_SPC_IPT_C2
_METADATA: Final = ("DOVI_METADATA", "DOVI_RPU_BUFFER")


def require_base_layer(codec_tag: str, picture: VideoFrame, *, name: str) -> None:
    """Check that a stream's pictures can be shown without Dolby Vision.

    Args:
        codec_tag: of the stream, four characters.
        picture: one of its decoded frames.
        name: of the source, for the error.

    Raises:
        SourceUnreadableError: they cannot.
    """
    if has_no_base_layer(codec_tag, picture):
        raise SourceUnreadableError(
            f"{name}: is Dolby Vision without a base layer (profile 5), whose colours this program cannot convert; "
            "export it as SDR or HDR10"
        )


def has_no_base_layer(codec_tag: str, picture: VideoFrame) -> bool:
    """Whether a stream is Dolby Vision without a base layer; arguments as for :func:`require_base_layer`."""
    if picture.colorspace == _IPT_C2:
        return True
    is_untagged = picture.color_trc == ColorTrc.UNSPECIFIED
    return is_untagged and (codec_tag.lower() in _TAGS or _has_metadata(picture))


def _has_metadata(picture: VideoFrame) -> bool:
    try:
        return any(name in picture.side_data for name in _METADATA)
    except ValueError:  # PyAV refuses to list side data that contains a type it does not support
        return False
