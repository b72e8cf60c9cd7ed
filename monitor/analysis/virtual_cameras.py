"""SourceInfo -> virtual camera or not: by what the system says about the device, and by known names."""

import re
from typing import Final

from monitor.types import SourceInfo

_NAMES: Final = re.compile(
    r"virtual|v4l2.?loopback|dummy video|\bobs\b|manycam|snap camera|xsplit|vcam|mmhmm|nvidia broadcast|droidcam"
    r"|logi capture|camtwist|iriun|epoccam|camo\b|streamlabs|sparkocam|webcamoid|akvcam|unity video capture"
    r"|youcam|chromacam|splitcam|altercam|deepfacelive|avatarify|facerig|animaze|ivcam|ndi (?:video|webcam)",
    re.IGNORECASE,
)


def is_virtual_camera(info: SourceInfo) -> bool:
    """Whether a program, not a camera, makes the pictures of a source."""
    return info.virtual or _NAMES.search(info.device) is not None
