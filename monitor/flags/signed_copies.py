"""Signs the pictures, the clips and the report of an export with the owner's certificate, as content credentials.

A signed file differs from the stored one, so an export declares it as altered.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from monitor.errors import OutputError
from monitor.flags.export_files import ALTERABLE, ExportFile, ExportFiles
from monitor.flags.files import CLIP, FRAME, OVERLAY
from monitor.media.manifest_signer import ManifestDraft, sign_files
from monitor.media.worker.task import run_isolated
from monitor.settings import CredentialSettings, SourceSettings
from monitor.types import Flag
from monitor.types.formatting import clock, clock_span

SIGNED: Final = "content credentials added"


def sign_copies(
    flags: Sequence[Flag], copies: Mapping[str, ExportFiles], *, folder: Path, settings: CredentialSettings
) -> dict[str, ExportFiles]:
    """Signs the pictures and clips of an export.

    Args:
        copies: the files of each flag, by id.
        folder: receives the signed copies; must exist until the export is written.

    Returns:
        The files of each flag, by id; a file that cannot be signed stays as it is, and is in ``unsigned``.

    Raises:
        UsageError: the certificate or the key cannot be used.
        SourceError: the process that signs died or hung.
        OutputError: the folder is full, or the time-stamp authority does not answer.
    """
    chosen = [(flag, copy) for flag in flags for copy in copies[flag.id].files if copy.suffix in ALTERABLE]
    drafts = [_draft(flag, copy, folder=folder, number=number) for number, (flag, copy) in enumerate(chosen)]
    whys = _sign(drafts, settings)
    signed = {
        (flag.id, copy.exhibit.name): _signed(copy, draft.signed)
        for (flag, copy), draft, why in zip(chosen, drafts, whys, strict=True)
        if not why
    }
    unsigned = {(flag.id, copy.exhibit.name): why for (flag, copy), why in zip(chosen, whys, strict=True) if why}
    return {
        flag.id: replace(
            copies[flag.id],
            files=tuple(signed.get((flag.id, copy.exhibit.name), copy) for copy in copies[flag.id].files),
            unsigned={name: why for (flag_id, name), why in unsigned.items() if flag_id == flag.id},
        )
        for flag in flags
    }


def sign_report(content: bytes, *, folder: Path, title: str, settings: CredentialSettings) -> bytes:
    """The signed copy of a report.pdf; raises as :func:`sign_copies`."""
    file, signed = folder / "unsigned.pdf", folder / "signed.pdf"
    file.write_bytes(content)
    (why,) = _sign([ManifestDraft(file, signed, title)], settings)
    if why:
        raise OutputError(f"{title} of the export cannot be signed: {why}")
    return signed.read_bytes()


def _sign(drafts: list[ManifestDraft], settings: CredentialSettings) -> list[str]:
    if not drafts:
        return []
    return run_isolated(sign_files, drafts[0].signed, drafts, settings, settings=SourceSettings())


def _draft(flag: Flag, copy: ExportFile, *, folder: Path, number: int) -> ManifestDraft:
    name = copy.exhibit.name
    stored = file = copy.path
    if copy.content is not None:
        file = folder / f"{number}-altered{copy.suffix}"
        file.write_bytes(copy.content)
    return ManifestDraft(
        file=file,
        signed=folder / f"{number}{copy.suffix}",
        title=name,
        actions=(*_actions(flag, name), *([("c2pa.edited", copy.altered)] if copy.altered else [])),
        parent=stored,
        origin={
            "source": flag.source,
            "source_kind": flag.source_kind,
            "source_sha256": flag.source_sha256,
            "start": flag.start,
            "end": flag.end,
            "captured_at": flag.captured_at.isoformat(),
            "flag": flag.id,
            "stored_sha256": copy.exhibit.sha256,
        },
    )


def _actions(flag: Flag, name: str) -> list[tuple[str, str]]:
    """The program's actions on the source until it stored a file."""
    if name == CLIP:
        start, end = flag.clip_span or (flag.start, flag.end)
        return [("c2pa.trimmed", f"cut from the source, {clock_span(start, end)}")]
    saved = ("c2pa.transcoded", f"one picture of the source, near {clock(flag.media_time)}")
    if name == FRAME:
        return [saved]
    return [saved, ("c2pa.drawing", "boxes, labels and heat-map drawn")] if name == OVERLAY else []


def _signed(copy: ExportFile, path: Path) -> ExportFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    words = f"{copy.altered}; {SIGNED}" if copy.altered else SIGNED
    return replace(copy, sha256=digest, size=path.stat().st_size, locate=lambda: path, content=None, altered=words)
