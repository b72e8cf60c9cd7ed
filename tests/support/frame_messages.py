"""Reads the messages of live frames, as a viewer does."""

import json
import struct
from typing import Any

_LENGTH = struct.Struct(">I")


def unpack(message: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the JPEG of a message."""
    (length,) = _LENGTH.unpack_from(message)
    end = _LENGTH.size + length
    return json.loads(message[_LENGTH.size : end]), message[end:]
