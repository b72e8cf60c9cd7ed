"""Flags as one zip file that stands without this program, and the check that nothing in it was touched.

::

    manifest.json            every other file with its SHA-256 and size
    report.html              for people: opens in any browser, prints, needs no network
    log.json                 who did what to these flags
    flags/<id>/flag.json     all that is kept of a flag
    flags/<id>/...           its pictures, clip and trace

The manifest's own SHA-256 is told at the export and written into the store's log: whoever has it can show later that
the file is the one that was exported. Inside, every flag's hash is named by its last event, and every event by its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import zipfile
import zlib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import monitor
from monitor.errors import BundleError
from monitor.evidence.folder import unwritable
from monitor.evidence.log import Event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from monitor.evidence.exhibits import Exhibits
    from monitor.evidence.store import FlagStore
    from monitor.types import Flag

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
_PIECE: Final = 1 << 20  # bytes
_STORED: Final = (".mp4", ".jpg", ".png", ".pdf")  # compressed already
# What zipfile raises on damage; RuntimeError: on what seems encrypted, or packed in a way it does not know.
_UNREADABLE: Final = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError)


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that was written."""

    path: Path
    sha256: str  # hex, of its manifest
    flags: int
    missing: tuple[str, ...]  # files that are recorded but not there: named in the report


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check found."""

    sha256: str  # hex, of the manifest
    flags: tuple[str, ...]
    made_at: str
    faults: tuple[str, ...]  # what was changed, is missing or was added, a clause each


def export(path: Path, flags: Sequence[Flag], *, store: FlagStore, exhibits: Exhibits, actor: str) -> Exported:
    """Write a bundle of these flags; it appears whole, or not at all, and the log says so.

    Raises:
        OutputError: it cannot be written.
        StoreError: the database does not answer.
    """
    from monitor.evidence.dossier import page

    events = [event for flag in flags for event in store.events(flag.id)]
    partial = path.with_name(f".{path.name}.partial")
    listed: dict[str, dict[str, Any]] = {}
    missing: list[str] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(partial, "w") as archive:
            for flag in flags:
                listed |= _add(archive, f"flags/{flag.id}/flag.json", flag.canonical)
                for exhibit in flag.exhibits:
                    name, path_of_it = f"flags/{flag.id}/{exhibit.name}", exhibits.folder(flag.id) / exhibit.name
                    if not path_of_it.is_file():
                        missing.append(f"{flag.id}/{exhibit.name}")
                        continue
                    there = exhibits.exhibit(flag.id, exhibit.name)  # as it is now: whatever it was is in flag.json
                    archive.write(path_of_it, name, compress_type=_compression(name))
                    listed[name] = {"sha256": there.sha256, "bytes": there.size}
            listed |= _add(archive, "log.json", _json([asdict(event) for event in events]))
            report = page(flags, events=events, exhibits=exhibits, missing=missing)
            listed |= _add(archive, "report.html", report.encode())
            manifest = _json(
                {
                    "format": FORMAT,
                    "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
                    "program": f"deepfake-monitor {monitor.__version__}",
                    "flags": [flag.id for flag in flags],
                    "files": listed,
                }
            )
            _add(archive, MANIFEST, manifest)
        digest = hashlib.sha256(manifest).hexdigest()
        for flag in flags:
            store.note("exported", actor=actor, flag_id=flag.id, details={"manifest_sha256": digest})
        partial.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # it has its name, or never was
            partial.unlink()
    return Exported(path=path, sha256=digest, flags=len(flags), missing=tuple(missing))


def verify(path: Path) -> Verified:
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
                msg = f"{path} has format {manifest['format']}, this program knows {FORMAT}: update it"
                raise BundleError(msg)
            names = archive.namelist()
            faults = [f"{name} is there twice" for name in sorted({name for name in names if names.count(name) > 1})]
            faults += [f"{name} is missing" for name in sorted(listed.keys() - set(names))]
            faults += [f"{name} was added" for name in sorted(set(names) - listed.keys() - {MANIFEST})]
            for name in sorted(listed.keys() & set(names)):
                if _digest(archive, name) != listed[name]["sha256"]:
                    faults.append(f"{name} was changed")
            if not faults:
                faults += _contradictions(archive, manifest["flags"])
            digest = hashlib.sha256(content).hexdigest()
            return Verified(digest, tuple(manifest["flags"]), manifest["made_at"], tuple(faults))
    except (*_UNREADABLE, KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"{path} is no bundle of flags, or too damaged to be read: {error}"
        raise BundleError(msg) from error


def _contradictions(archive: zipfile.ZipFile, flags: Sequence[str]) -> list[str]:
    """What agrees with the manifest, but not with each other."""
    log = [Event(**facts) for facts in json.loads(archive.read("log.json"))]
    faults = [f"log.json: event {event.number} was changed" for event in log if event.sha256 != event.digest()]
    last = {event.flag_id: event.flag_sha256 for event in sorted(log, key=lambda event: event.number)}
    for flag_id in flags:
        content = archive.read(f"flags/{flag_id}/flag.json")
        if hashlib.sha256(content).hexdigest() != last.get(flag_id):
            faults.append(f"flags/{flag_id}/flag.json is not the flag that log.json names")
        for exhibit in json.loads(content)["exhibits"]:
            name = f"flags/{flag_id}/{exhibit['name']}"
            if name in archive.namelist() and _digest(archive, name) != exhibit["sha256"]:
                faults.append(f"{name} is not the file that was kept")
    return faults


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


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
