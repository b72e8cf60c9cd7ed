"""Reads the content credentials (C2PA) of a file, in a process of its own and without network access."""

import json
import logging
from contextlib import closing
from functools import cache
from io import FileIO
from pathlib import Path
from typing import Any, Final

from monitor.errors import SourceError, UsageError
from monitor.media import progress
from monitor.media.c2pa_library import load_library, offline_but
from monitor.media.manifest_store import describe_manifests, plain_text
from monitor.media.sources.address import Address
from monitor.media.worker.task import run_isolated
from monitor.settings import Settings
from monitor.system.masking import mask
from monitor.types import ContentCredentials, CredentialState

_SIGNS: Final = (b"c2pa", b"dcterms:provenance")  # label of a manifest store; XMP name of an address of one
_CHUNK: Final = 1 << 20  # bytes
_OVERLAP: Final = max(map(len, _SIGNS)) - 1
_NONE: Final = ContentCredentials(CredentialState.NONE)
_log = logging.getLogger(__name__)


class ReportingFile(FileIO):
    """A file that reports progress with every read, so that a long check is no hang."""

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - any buffer
        """Read into a buffer."""
        progress.report()
        return super().readinto(buffer)


def content_credentials(path: Path, settings: Settings) -> ContentCredentials:
    """The content credentials of a local file; damaged ones are a value with a reason, never an error.

    A file without a sign of a manifest store is not given to the library, because its process takes half a second.

    Raises:
        UsageError: the file of the setting ``credentials.trusted_signers`` cannot be used.
    """
    signers = _trusted_signers(settings.credentials.trusted_signers)
    try:
        if not has_sign(path):
            return _NONE
        found = run_isolated(read_credentials, path, signers, settings=settings.source)
    except SourceError as error:
        return _unreadable(str(error).removeprefix(f"{Address.of(path).name}: "))
    except OSError as error:
        return _unreadable(error.strerror or "the file cannot be read")
    if found.state is CredentialState.NOT_CHECKED:
        _warn_once(found.reason)
    return found


def has_sign(path: Path) -> bool:
    """Whether a file contains the bytes that every manifest store, or an address of one, begins with.

    Raises:
        OSError: the file cannot be read.
    """
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            seam = tail + chunk[:_OVERLAP]
            if any(sign in chunk or sign in seam for sign in _SIGNS):
                return True
            tail = (tail + chunk[-_OVERLAP:])[-_OVERLAP:]
    return False


def read_credentials(path: Path, signers: str) -> ContentCredentials:
    """As :func:`content_credentials`, in this process.

    Args:
        path: of the file.
        signers: PEM certificates of known signers' authorities; "" without a list.

    Raises:
        UsageError: ``signers`` cannot be used.
    """
    try:
        c2pa = load_library()
    except ImportError as error:
        return ContentCredentials(CredentialState.NOT_CHECKED, reason=str(error))
    options = offline_but() | ({"trust": {"user_anchors": signers}} if signers else {})
    try:
        context = c2pa.Context.from_dict(options)
    except c2pa.C2paError:
        raise _unusable_signers() from None
    with context, ReportingFile(path) as file:
        try:
            with closing(c2pa.Reader("", file, context=context)) as reader:
                return describe_manifests(json.loads(reader.json()), has_signer_list=bool(signers))
        except (c2pa.C2paError, ValueError, RecursionError) as error:
            return _failed(error, c2pa.C2paError)


def _failed(error: Exception, errors: Any) -> ContentCredentials:  # noqa: ANN401 - an untyped library
    """The result of a reading that failed.

    Args:
        error: the failure.
        errors: the library's class of errors, with its subclasses.
    """
    text = str(error)
    if isinstance(error, (errors.ManifestNotFound, errors.NotSupported)):  # no credentials, or a format without any
        return _NONE
    if text.startswith("Remote"):
        address = text.rpartition(" url ")[2] if " url " in text else ""
        return ContentCredentials(CredentialState.REMOTE, reason=plain_text(mask(address)))
    return _unreadable(plain_text(text.partition(": ")[2] or text))


def _unreadable(reason: str) -> ContentCredentials:
    return ContentCredentials(CredentialState.UNREADABLE, reason=reason.rstrip("."))


def _trusted_signers(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(
            f"setting credentials.trusted_signers: {path} cannot be read: {error.strerror or error}"
        ) from None
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise _unusable_signers()
    return text


def _unusable_signers() -> UsageError:
    return UsageError(
        "setting credentials.trusted_signers: the file holds no certificates that can be read; give a PEM file "
        "(-----BEGIN CERTIFICATE-----)"
    )


@cache
def _warn_once(reason: str) -> None:
    _log.warning("content credentials cannot be read here: %s", reason)
