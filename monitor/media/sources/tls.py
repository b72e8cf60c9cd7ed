"""Encrypted connections to cameras: FFmpeg's options for their certificates, and why such a connection fails.

FFmpeg says "input/output error" of a wrong certificate and of a server without encryption, and "invalid data" of a
server that expects it. A handshake with the same host tells them apart.
"""

import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from monitor.errors import SourceError, SourceRefusedError, UsageError
from monitor.media.sources.address import Address

_UNCHECKED: Final = "the connection is encrypted, but the certificate of the other side was not checked"
_SCHEMES: Final = ("rtsps", "https")


def certificate_note(address: Address, certificates: Path | None = None) -> str:
    """A note for people on an encrypted connection whose certificate nobody checked, else ""."""
    if not is_encrypted(address) or certificates is not None:
        return ""
    advice = "; source.tls_certificates checks it" if _scheme(address) == "rtsps" else ""
    return _UNCHECKED + advice


def is_encrypted(address: Address) -> bool:
    """Whether the address asks for an encrypted connection."""
    return _scheme(address) in _SCHEMES


def tls_options(address: Address, certificates: Path | None) -> Mapping[str, str]:
    """FFmpeg's options for a camera.

    Args:
        certificates: a PEM file of those that are trusted; None: every certificate is.

    Raises:
        UsageError: the file holds no certificate.
    """
    if not is_encrypted(address) or certificates is None:
        return {}
    _context(certificates)
    return {"tls_verify": "1", "ca_file": str(certificates)}


def explain_tls(error: SourceError, address: Address, *, certificates: Path | None, timeout: float) -> SourceError:
    """A better error for a certificate that is not trusted and for the wrong one of rtsp and rtsps, or the same error.

    Args:
        certificates: a PEM file of those that are trusted; None: every certificate is.
        timeout: seconds (wall clock) to wait for the handshake.
    """
    try:
        _shake_hands(address, _context(certificates), timeout=timeout)
    except ssl.SSLCertVerificationError as cause:
        clause = (
            f"its certificate is not trusted ({cause.verify_message.rstrip('.')}); put the camera's own certificate, "
            "or that of its issuer, into the file of source.tls_certificates, and use the host name that it is made for"
        )
    except ssl.SSLError:
        if not is_encrypted(address):
            return error
        clause = (
            "no encrypted connection is possible there; begin the address with rtsp://, or give the port for rtsps://"
        )
    except (OSError, ValueError):  # it does not answer at all: the first error says so
        return error
    else:
        if is_encrypted(address):
            return error
        clause = "expects an encrypted connection there; begin the address with rtsps://"
    return SourceRefusedError(f"{address.name}: {clause}")


def _scheme(address: Address) -> str:
    return address.target.partition(":")[0].lower()


def _context(certificates: Path | None) -> ssl.SSLContext:
    """The way to check a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if certificates is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    try:
        context.load_verify_locations(certificates)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        why = "holds no certificate in PEM format" if isinstance(error, ssl.SSLError) else "cannot be read"
        raise UsageError(f"source.tls_certificates: {certificates} {why}; give the path of such a file") from None
    return context


def _shake_hands(address: Address, context: ssl.SSLContext, *, timeout: float) -> None:
    parts = urlsplit(address.target)
    port = parts.port or address.kind.schemes[_scheme(address)]
    with (
        socket.create_connection((parts.hostname, port), timeout) as connection,
        context.wrap_socket(connection, server_hostname=parts.hostname),
    ):
        pass
