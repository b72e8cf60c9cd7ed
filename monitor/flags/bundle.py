"""Flags as one zip file that stands without this program, and the check that nothing in it was touched.

::

    manifest.json            every other file with its SHA-256 and size
    report.html              for people: opens in any browser, prints, needs no network
    report.pdf               the same on paper
    log.json                 who did what to these flags
    flags/<id>/flag.json     all that is kept of a flag
    flags/<id>/...           its pictures, clip and trace

The manifest's own SHA-256 is told at the export and written into the store's log: whoever has it can show later that
the file is the one that was exported. Inside, every flag's hash is named by its last event, and every event by its own.
A blurred export holds pictures that are not the kept ones: the manifest declares each of them, with the hash of what
was kept and what was done, and the files that were left out.
"""

import contextlib
import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import monitor
from monitor.errors import BundleError
from monitor.flags.database import FlagStore
from monitor.flags.export_files import PICTURES, ExportFiles, copied
from monitor.flags.files import FlagFiles
from monitor.flags.history import HistoryEvent
from monitor.system.files import write_error
from monitor.types import Flag
from monitor.types.serialise import json_file

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
_PIECE: Final = 1 << 20  # bytes
_STORED: Final = (".mp4", ".jpg", ".png", ".pdf")  # compressed already
# What zipfile raises on damage; RuntimeError: on what seems encrypted, or packed in a way it does not know.
_UNREADABLE: Final = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError)


@dataclass(frozen=True, slots=True)
class ExportedBundle:
    """A bundle that was written."""

    path: Path
    sha256: str  # hex, of its manifest
    flags: int
    missing: tuple[str, ...]  # files that are recorded but not there: named in the report
    left_out: tuple[str, ...] = ()  # of a blurred export, with the reason: named in the report


@dataclass(frozen=True, slots=True)
class BundleVerification:
    """What a check found."""

    sha256: str  # hex, of the manifest
    flags: tuple[str, ...]
    made_at: str
    faults: tuple[str, ...]  # what was changed, is missing or was added, a clause each
    declared: tuple[str, ...] = ()  # what the export itself altered or left out, a clause each


def export(
    path: Path, flags: Sequence[Flag], *, store: FlagStore, exhibits: FlagFiles, actor: str, blur: bool = False
) -> ExportedBundle:
    """Write a bundle of these flags; it appears whole, or not at all, and the log says so.

    Args:
        path: of the zip file.
        flags: in the order of the report.
        store: where they and the log are.
        exhibits: where their files are.
        actor: who asked for it.
        blur: see ``monitor.flags.export_files``.

    Raises:
        OutputError: it cannot be written.
        StoreError: the database does not answer.
    """
    partial = path.with_name(f".{path.name}.partial")
    copies = {flag.id: copied(flag, exhibits, blur=blur) for flag in flags}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(partial, "w") as archive:
            listed = _contents(archive, flags, copies=copies, store=store, blur=blur)
            manifest = json_file(_manifest(flags, copies=copies, listed=listed))
            _add(archive, MANIFEST, manifest)
        digest = hashlib.sha256(manifest).hexdigest()
        details = {"manifest_sha256": digest} | ({"blurred": True} if blur else {})
        for flag in flags:
            store.note("exported", actor=actor, flag_id=flag.id, details=details)
        partial.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # it has its name, or never was
            partial.unlink()
    return ExportedBundle(
        path=path,
        sha256=digest,
        flags=len(flags),
        missing=tuple(f"{flag.id}/{name}" for flag in flags for name in copies[flag.id].missing),
        left_out=tuple(f"{flag.id}/{name}: {why}" for flag in flags for name, why in copies[flag.id].left_out.items()),
    )


def _contents(
    archive: zipfile.ZipFile, flags: Sequence[Flag], *, copies: Mapping[str, ExportFiles], store: FlagStore, blur: bool
) -> dict[str, dict[str, Any]]:
    """Write all but the manifest, and return what it says of the files."""
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
    from monitor.flags.export_document import compiled, page  # only an export pays for jinja2 and fpdf2
    from monitor.flags.pdf import printed

    dossier = compiled(flags, events=events, copies=copies, blurred=blur)
    listed |= _add(archive, "report.html", page(dossier).encode())
    return listed | _add(archive, "report.pdf", printed(dossier, made_at=datetime.now(UTC)))


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
        "left_out": {
            f"flags/{flag.id}/{name}": why for flag in flags for name, why in copies[flag.id].left_out.items()
        },
    }


def verify(path: Path) -> BundleVerification:
    """Hold every file of a bundle against its manifest, every flag and event against their hashes.

    Raises:
        BundleError: it is no bundle at all.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read(MANIFEST)
            manifest = json.loads(content)
            listed: dict[str, dict[str, Any]] = manifest["files"]
            if manifest["format"] != FORMAT:
                raise BundleError(f"{path} has format {manifest['format']}, this program knows {FORMAT}: update it")
            names = archive.namelist()
            faults = [f"{name} is there twice" for name in sorted({name for name in names if names.count(name) > 1})]
            faults += [f"{name} is missing" for name in sorted(listed.keys() - set(names))]
            faults += [f"{name} was added" for name in sorted(set(names) - listed.keys() - {MANIFEST})]
            for name in sorted(listed.keys() & set(names)):
                if _digest(archive, name) != listed[name]["sha256"]:
                    faults.append(f"{name} was changed")
            if not faults:
                faults += _contradictions(archive, manifest)
            return BundleVerification(
                sha256=hashlib.sha256(content).hexdigest(),
                flags=tuple(manifest["flags"]),
                made_at=manifest["made_at"],
                faults=tuple(faults),
                declared=tuple(_declared(manifest)),
            )
    except (*_UNREADABLE, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{path} is no bundle of flags, or too damaged to be read: {error}") from error


def _declared(manifest: Mapping[str, Any]) -> Iterator[str]:
    for name, said in manifest.get("altered", {}).items():
        yield f"{name} is not as it was kept: {said['why']}"
    for name, why in manifest.get("left_out", {}).items():
        yield f"{name} was left out: {why}"


def _contradictions(archive: zipfile.ZipFile, manifest: Mapping[str, Any]) -> list[str]:
    """What agrees with the manifest, but not with each other.

    A picture that the manifest declares altered is not the one that was kept, but must name it.
    """
    altered = {name: said["kept_sha256"] for name, said in manifest.get("altered", {}).items()}
    faults = [f"{name} is declared altered, and is no picture" for name in altered if not name.endswith(PICTURES)]
    log = [HistoryEvent(**facts) for facts in json.loads(archive.read("log.json"))]
    faults += [f"log.json: event {event.number} was changed" for event in log if event.sha256 != event.digest()]
    last = {event.flag_id: event.flag_sha256 for event in sorted(log, key=lambda event: event.number)}
    for flag_id in manifest["flags"]:
        content = archive.read(f"flags/{flag_id}/flag.json")
        if hashlib.sha256(content).hexdigest() != last.get(flag_id):
            faults.append(f"flags/{flag_id}/flag.json is not the flag that log.json names")
        for exhibit in json.loads(content)["exhibits"]:
            name = f"flags/{flag_id}/{exhibit['name']}"
            if name not in archive.namelist():
                continue
            found = altered.pop(name) if name in altered else _digest(archive, name)
            if found != exhibit["sha256"]:
                faults.append(f"{name} is not the file that was kept")
    return faults + [f"{name} is declared altered, and no flag has it" for name in altered]


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> dict[str, dict[str, Any]]:
    archive.writestr(name, content, compress_type=_compression(name))
    return {name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}}


def _compression(name: str) -> int:
    return zipfile.ZIP_STORED if name.endswith(_STORED) else zipfile.ZIP_DEFLATED


def _digest(archive: zipfile.ZipFile, name: str) -> str:
    """Of a member; one that cannot be unpacked has none."""
    digest = hashlib.sha256()
    try:
        with archive.open(name) as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except _UNREADABLE:
        return ""
    return digest.hexdigest()
