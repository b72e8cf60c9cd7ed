"""Signs copies of files with content credentials (C2PA). It runs in a process of its own, which gets the key's path."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from monitor import __version__
from monitor.errors import OutputError, UsageError
from monitor.media.c2pa_library import load_library, offline_but
from monitor.media.content_credentials import ReportingFile
from monitor.media.manifest_store import plain_text
from monitor.settings import CredentialSettings

ORIGIN: Final = "deepfake-monitor.origin"  # label of the statement about the original
_KEY_HEAD, _CERTIFICATE_HEAD = "-----BEGIN PRIVATE KEY-----", "-----BEGIN CERTIFICATE-----"
_FORMATS: Final = {".jpg": "image/jpeg", ".png": "image/png", ".mp4": "video/mp4", ".pdf": "application/pdf"}
SIGNABLE: Final = tuple(_FORMATS)

# Parts of the library's messages, and what is wrong with the owner's certificate or key.
_CAUSES: Final = {
    "does not match the provided data": "the private key does not belong to the first certificate",
    "does not contain signing certificate": "the certificate cannot be read",
    "unsupported private key algorithm": "the private key is none for credentials.algorithm = {algorithm}",
    "unsupported algorithm OID": "the private key is none for credentials.algorithm = {algorithm}",
    "invalid signing credentials": "the private key cannot be read",
    "not valid at time of signing": "the certificate has expired, or is not valid yet",
    "self-signed": "the first certificate signed itself: name the one that an authority issued, then its issuers'",
    "certificate": "the certificate is none for content credentials: its extended key usage must allow e-mail "
    "protection or document signing, and an authority must have issued it",
}


@dataclass(frozen=True, slots=True)
class ManifestDraft:
    """The content credentials that a copy of a file gets."""

    file: Path  # is not changed
    signed: Path  # the copy; ends with one of ``SIGNABLE``, as the file's format does
    title: str
    actions: tuple[tuple[str, str], ...] = ()  # name of a C2PA action, description in words; after the opening
    parent: Path | None = None  # the file that it was made from; None: this program wrote it
    origin: Mapping[str, Any] = field(default_factory=dict)  # JSON values that name the original


def sign_files(first: Path, drafts: Sequence[ManifestDraft], settings: CredentialSettings) -> list[str]:  # noqa: ARG001 - a task's file
    """Sign copies of files with the owner's certificate.

    Args:
        first: names the task in errors.
        drafts: one for each copy.
        settings: with certificates and private key.

    Returns:
        For each draft, why it was not signed; "" if it was.

    Raises:
        UsageError: the certificate or the key cannot be used, or the library is missing.
        OutputError: the time-stamp authority does not answer.
    """
    try:
        c2pa = load_library()
    except ImportError as error:
        raise UsageError(f"exports cannot be signed here: {error}") from None
    certificates = _read(settings.certificates, _CERTIFICATE_HEAD, "certificates", hint="give a PEM file")
    key = _read(
        settings.private_key,
        _KEY_HEAD,
        "private_key",
        hint="`openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW` writes PKCS#8 without a password",
    )
    info = (settings.algorithm, certificates, key, settings.time_stamp_url or None)
    return [_sign(c2pa, draft, info, settings) for draft in drafts]


def _sign(c2pa: Any, draft: ManifestDraft, info: tuple[Any, ...], settings: CredentialSettings) -> str:  # noqa: ANN401
    """Sign one copy; returns why it was not signed."""
    kind = _FORMATS[draft.signed.suffix.lower()]
    hosts = [urlsplit(settings.time_stamp_url).netloc] if settings.time_stamp_url else []
    try:
        with (
            c2pa.Context.from_dict(offline_but(hosts)) as context,
            closing(c2pa.Builder(_manifest(draft), context)) as builder,
        ):
            if draft.parent is None:
                builder.set_intent(c2pa.C2paBuilderIntent.CREATE, c2pa.C2paDigitalSourceType.DATA_DRIVEN_MEDIA)
            else:
                builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
                with ReportingFile(draft.parent) as parent:
                    builder.add_ingredient({"title": draft.title, "relationship": "parentOf"}, kind, parent)
            signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(*info))
            with ReportingFile(draft.file) as file, draft.signed.open("w+b") as copy, closing(signer):
                builder.sign(signer, kind, file, copy)
    except c2pa.C2paError as error:
        with suppress(OSError):
            draft.signed.unlink()
        return _explain(str(error), settings)
    return ""


def _explain(text: str, settings: CredentialSettings) -> str:
    """Why a file cannot be signed.

    Raises:
        UsageError: no file can, because of the certificate or the key.
        OutputError: no file can, because of the time-stamp authority.
    """
    if settings.time_stamp_url and ("internal error" in text or "timestamp" in text.lower()):
        raise OutputError(
            f"exports cannot be signed: the time-stamp authority {settings.time_stamp_url} gave no time stamp; "
            "try again later, or remove the setting credentials.time_stamp_url"
        )
    if text.startswith("Signature") or "COSE" in text:
        cause = next((cause for part, cause in _CAUSES.items() if part in text), plain_text(text))
        raise UsageError(
            f"exports cannot be signed with {settings.certificates} and {settings.private_key}: "
            + cause.replace("{algorithm}", settings.algorithm)
        )
    return plain_text(text.partition(": ")[2] or text)


def _manifest(draft: ManifestDraft) -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    agent = {"name": "deepfake-monitor", "version": __version__}
    actions = [
        {"action": name, "when": now, "softwareAgent": agent, "description": words} for name, words in draft.actions
    ]
    assertions: list[dict[str, Any]] = []
    if actions:
        assertions.append({"label": "c2pa.actions", "data": {"actions": actions}})
    if draft.origin:
        assertions.append({"label": ORIGIN, "data": dict(draft.origin)})
    return json.dumps({"claim_generator_info": [agent], "title": draft.title, "assertions": assertions})


def _read(path: Path | None, head: str, setting: str, *, hint: str) -> bytes:
    """The content of a PEM file."""
    try:
        content = b"" if path is None else path.read_bytes()
    except OSError as error:
        raise UsageError(f"setting credentials.{setting}: {path} cannot be read: {error.strerror or error}") from None
    if head.encode() not in content:
        raise UsageError(f"setting credentials.{setting}: {path} does not contain {head}; {hint}")
    return content
