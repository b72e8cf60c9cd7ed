"""Signatures of messages: Standard Webhooks 1.0.0, symmetric scheme (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
import secrets
from typing import Final

_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32  # the specification asks for 24 to 64


def make_secret() -> str:
    """A new random secret, such as ``whsec_C2FVsBQIhrscChlQIMV...``."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def sign(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature of one attempt, ``v1,`` and the base64 HMAC-SHA256 of ``id.timestamp.body``.

    Args:
        secret: ``whsec_`` and base64.
        timestamp: of the attempt, Unix time, seconds.
    """
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def signed_headers(secret: str, *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of one attempt."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, message_id=message_id, timestamp=timestamp, body=body),
    }
