"""Flags as one zip file that is readable without this program, and the verification of such a file.

::

    manifest.json            every other file with its SHA-256 and size
    report.html              opens in any browser without network, and prints
    report.pdf               the same content for paper
    log.json                 the log of all actions on these flags
    flags/<id>/flag.json     all fields of a flag
    flags/<id>/...           its pictures, clip and trace

The export prints the manifest's own SHA-256 and writes it into the store's log, so that the exported file can be
identified later. The last event of a flag contains the flag's hash, and every event contains its own hash.
The pictures of a blurred export differ from the stored ones: the manifest lists each altered picture with the hash of
the stored file and the alteration, and lists the omitted files. So do the files of a signed export.
"""

import contextlib
import hashlib
import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from lzma import LZMAError
from pathlib import Path
from typing import Any, Final

import monitor
from monitor.errors import BundleError
from monitor.flags.bundle_files import MANIFEST, BundleFiles, open_bundle, refuse
from monitor.flags.clip_check import BATCH, StatedClip, clip_faults
from monitor.flags.database import FlagStore
from monitor.flags.export_files import ALTERABLE, ExportFiles, collect_files
from monitor.flags.files import CLIP, FlagFiles
from monitor.flags.history import HistoryEvent
from monitor.flags.signed_copies import sign_copies, sign_report
from monitor.settings import CredentialSettings
from monitor.system.files import is_system_file, write_error
from monitor.types import Flag
from monitor.types.serialise import json_file

FORMAT: Final = 1
_UNSIGNED: Final = CredentialSettings()
_CHUNK: Final = 1 << 20  # bytes
_STORED: Final = (".mp4", ".jpg", ".png", ".pdf")  # compressed already
# Exceptions on damage. RuntimeError is none: the member is encrypted, or has an unknown compression.
_DAMAGED: Final = (OSError, EOFError, zipfile.BadZipFile, zlib.error, LZMAError)


@dataclass(frozen=True, slots=True)
class ExportedBundle:
    """A written bundle."""

    path: Path
    sha256: str  # hex, of its manifest
    flags: int
    missing: tuple[str, ...]  # recorded files that no longer exist; the report lists them
    skipped: tuple[str, ...] = ()  # files omitted from a blurred export, with the reason; the report lists them
    unsigned: tuple[str, ...] = ()  # pictures and clips of a signed export that cannot be signed, with the reason


@dataclass(frozen=True, slots=True)
class BundleVerification:
    """The result of a verification."""

    sha256: str  # hex, of the manifest
    flags: tuple[str, ...]
    made_at: str
    faults: tuple[str, ...]  # changed, missing and added files, one clause each
    declared: tuple[str, ...] = ()  # files that the export itself altered or omitted, one clause each
    ignored: tuple[str, ...] = ()  # files that an operating system added, such as .DS_Store


def export(
    path: Path,
    flags: Sequence[Flag],
    *,
    store: FlagStore,
    exhibits: FlagFiles,
    actor: str,
    blur: bool = False,
    credentials: CredentialSettings = _UNSIGNED,
) -> ExportedBundle:
    """Writes a bundle of these flags, whole or not at all, and logs the export.

    Args:
        flags: in the order of the report.
        blur: see ``monitor.flags.export_files``.
        credentials: sign the pictures, the clips and report.pdf, if they name a certificate.

    Raises:
        OutputError: the bundle cannot be written.
        UsageError: the certificate or the key cannot be used.
        StoreError: the database does not answer.
    """
    unfinished = path.with_name(f".{path.name}.partial")
    copies = {flag.id: collect_files(flag, exhibits, blur=blur) for flag in flags}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _signing_folder(path, credentials) as folder, zipfile.ZipFile(unfinished, "w") as archive:
            sign_document = bytes if folder is None else _document_signer(folder, credentials)
            if folder is not None:  # before the hashes are taken
                copies = sign_copies(flags, copies, folder=folder, settings=credentials)
            listed = _write_contents(archive, flags, copies=copies, store=store, blur=blur, sign_document=sign_document)
            manifest = json_file(_manifest(flags, copies=copies, listed=listed))
            _add(archive, MANIFEST, manifest)
        digest = hashlib.sha256(manifest).hexdigest()
        details = {"manifest_sha256": digest} | ({"blurred": True} if blur else {})
        for flag in flags:
            store.note("exported", actor=actor, flag_id=flag.id, details=details)
        unfinished.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # it was renamed, or never existed
            unfinished.unlink()
    return ExportedBundle(
        path=path,
        sha256=digest,
        flags=len(flags),
        missing=tuple(f"{flag.id}/{name}" for flag in flags for name in copies[flag.id].missing),
        skipped=tuple(f"{flag.id}/{name}: {why}" for flag in flags for name, why in copies[flag.id].skipped.items()),
        unsigned=tuple(f"{flag.id}/{name}: {why}" for flag in flags for name, why in copies[flag.id].unsigned.items()),
    )


@contextlib.contextmanager
def _signing_folder(path: Path, credentials: CredentialSettings) -> Iterator[Path | None]:
    """A folder for signed copies beside the bundle; None if nothing is signed."""
    if not credentials.can_sign:
        yield None
        return
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
        yield Path(folder)


def _document_signer(folder: Path, credentials: CredentialSettings) -> Callable[[bytes], bytes]:
    return partial(sign_report, folder=folder, title="report.pdf", settings=credentials)


def _write_contents(
    archive: zipfile.ZipFile,
    flags: Sequence[Flag],
    *,
    copies: Mapping[str, ExportFiles],
    store: FlagStore,
    blur: bool,
    sign_document: Callable[[bytes], bytes],
) -> dict[str, dict[str, Any]]:
    """Writes all members but the manifest; returns the manifest's entries, by member name."""
    events = [event for flag in flags for event in store.events(flag.id)]
    listed: dict[str, dict[str, Any]] = {}
    for flag in flags:
        listed |= _add(archive, f"flags/{flag.id}/flag.json", flag.canonical)
        for copy in copies[flag.id].files:
            name = f"flags/{flag.id}/{copy.exhibit.name}"
            if copy.content is None:
                archive.write(copy.path, name, compress_type=_compression(name))
                listed[name] = {"sha256": copy.sha256, "bytes": copy.size}
            else:
                listed |= _add(archive, name, copy.content)
    listed |= _add(archive, "log.json", json_file([asdict(event) for event in events]))
    from monitor.flags.export_document import compile_document, render_html  # jinja2 and fpdf2 load at an export only
    from monitor.flags.pdf import render_pdf

    document = compile_document(flags, events=events, copies=copies, blurred=blur)
    listed |= _add(archive, "report.html", render_html(document).encode())
    pdf = sign_document(render_pdf(document, made_at=datetime.now(UTC)))
    return listed | _add(archive, "report.pdf", pdf)


def _manifest(
    flags: Sequence[Flag], *, copies: Mapping[str, ExportFiles], listed: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "program": f"deepfake-monitor {monitor.__version__}",
        "flags": [flag.id for flag in flags],
        "files": listed,
        "altered": {
            f"flags/{flag.id}/{copy.exhibit.name}": {"why": copy.altered, "kept_sha256": copy.exhibit.sha256}
            for flag in flags
            for copy in copies[flag.id].files
            if copy.altered
        },
        "left_out": {f"flags/{flag.id}/{name}": why for flag in flags for name, why in copies[flag.id].skipped.items()},
    }


def verify(path: Path) -> BundleVerification:
    """Compares every file of a bundle with its manifest, and every flag and event with their hashes.

    The real length of every clip is compared with the span that its flag states. A bundle that was unpacked, or packed
    again by any program, is as valid as the exported file; files that an operating system added are ignored.

    Args:
        path: a zip file or a folder.

    Raises:
        BundleError: the path is not a bundle.
    """
    try:
        with open_bundle(path) as files:
            return _verify_files(files, path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise refuse(
            path, f"its {MANIFEST}, log.json or a flag.json is malformed ({error!r}); export the flags again"
        ) from error


def _verify_files(files: BundleFiles, path: Path) -> BundleVerification:
    content = files.read(MANIFEST)
    manifest = json.loads(content)
    listed: dict[str, dict[str, Any]] = manifest["files"]
    if manifest["format"] != FORMAT:
        raise BundleError(f"{path} has format {manifest['format']}, this program reads {FORMAT}: update it")
    names = set(files.names)
    others = sorted(names - listed.keys() - {MANIFEST})
    ignored = [name for name in others if any(map(is_system_file, name.split("/")))]
    faults = [f"{name} occurs twice" for name in sorted(names) if files.names.count(name) > 1]
    faults += [f"{name} is missing" for name in sorted(listed.keys() - names)]
    faults += [f"{name} was added" for name in others if name not in ignored]
    for name in sorted(listed.keys() & names):
        if _digest(files, name) != listed[name]["sha256"]:
            faults.append(f"{name} was changed")
    if not faults:
        faults += _contradictions(files, manifest) or _wrong_clips(files, manifest["flags"])
    return BundleVerification(
        sha256=hashlib.sha256(content).hexdigest(),
        flags=tuple(manifest["flags"]),
        made_at=manifest["made_at"],
        faults=tuple(faults),
        declared=tuple(_declared(manifest)),
        ignored=tuple(ignored),
    )


def _declared(manifest: Mapping[str, Any]) -> Iterator[str]:
    for name, entry in manifest.get("altered", {}).items():
        yield f"{name} was altered by the export: {entry['why']}"
    for name, why in manifest.get("left_out", {}).items():
        yield f"{name} was omitted: {why}"


def _contradictions(files: BundleFiles, manifest: Mapping[str, Any]) -> list[str]:
    """Files that match the manifest but contradict each other.

    For an altered picture, the manifest's hash of the stored file must match the flag.
    """
    altered = {name: entry["kept_sha256"] for name, entry in manifest.get("altered", {}).items()}
    faults = [f"{name} is declared altered, but is not a picture" for name in altered if not name.endswith(ALTERABLE)]
    log = [HistoryEvent(**facts) for facts in json.loads(files.read("log.json"))]
    faults += [f"log.json: event {event.number} was changed" for event in log if event.sha256 != event.digest()]
    last = {event.flag_id: event.flag_sha256 for event in sorted(log, key=lambda event: event.number)}
    for flag_id in manifest["flags"]:
        content = files.read(f"flags/{flag_id}/flag.json")
        if hashlib.sha256(content).hexdigest() != last.get(flag_id):
            faults.append(f"flags/{flag_id}/flag.json does not match log.json")
        for exhibit in json.loads(content)["exhibits"]:
            name = f"flags/{flag_id}/{exhibit['name']}"
            if name not in files.names:
                continue
            digest = altered.pop(name) if name in altered else _digest(files, name)
            if digest != exhibit["sha256"]:
                faults.append(f"{name} is not the stored file")
    return faults + [f"{name} is declared altered, but belongs to no flag" for name in altered]


def _wrong_clips(files: BundleFiles, flag_ids: Sequence[str]) -> list[str]:
    """The clips whose length contradicts their flag. A bundle can be large, so a few are unpacked at a time."""
    faults = []
    members = set(files.names)
    names = [name for flag_id in flag_ids if (name := f"flags/{flag_id}/{CLIP}") in members]
    for begin in range(0, len(names), BATCH):
        with tempfile.TemporaryDirectory() as folder:
            clips = []
            for number, name in enumerate(names[begin : begin + BATCH]):
                path = Path(folder) / f"{number}.mp4"
                with files.open(name) as packed, path.open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, _CHUNK)
                facts = json.loads(files.read(name.replace(CLIP, "flag.json")))
                clips.append(StatedClip.read(facts, path, name=name))
            faults += clip_faults(clips)
    return faults


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> dict[str, dict[str, Any]]:
    archive.writestr(name, content, compress_type=_compression(name))
    return {name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}}


def _compression(name: str) -> int:
    return zipfile.ZIP_STORED if name.endswith(_STORED) else zipfile.ZIP_DEFLATED


def _digest(files: BundleFiles, name: str) -> str:
    """The SHA-256 of a file, hex; "" if it is damaged."""
    digest = hashlib.sha256()
    try:
        with files.open(name) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except PermissionError:  # no damage
        raise
    except _DAMAGED:
        return ""
    return digest.hexdigest()
