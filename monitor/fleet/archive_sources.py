"""Lists the files of an archive: paths, folders, manifests, and stores such as ``s3://bucket/prefix`` (fsspec)."""

import csv
import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from monitor.errors import MonitorError, SourceNotFoundError, SourceUnavailableError, UsageError
from monitor.fleet.remote_store import is_store_url, open_filesystem, reason_of
from monitor.media.sources import LeftOut, expand
from monitor.media.sources.address import Address
from monitor.media.sources.folder_listing import VIDEO_SUFFIXES
from monitor.media.sources.image import SUFFIXES as IMAGE_SUFFIXES
from monitor.system.masking import mask, printable

_KEY_DIGITS: Final = 12  # of the address's hash; two of 100,000 files of one name collide once in 56,000 archives
_UNSAFE: Final = re.compile(r"[^\w.-]+")
_LONGEST_STEM: Final = 80  # characters
_VERSION_KEYS: Final = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "modified")
_RESULT_FILES: Final = frozenset(["report.json", "timeline.csv"])  # both: results of an earlier analysis


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """One file of the archive as it was when it was listed, or an address that only a worker can open."""

    address: str  # absolute path, or URL; may hold secrets
    size: int | None = None  # bytes; None: unknown
    version: str | None = None  # changes with the content: an ETag, or the time of the last change; None: unknown

    @property
    def name(self) -> str:
        """The address without secrets."""
        return mask(self.address)

    @property
    def is_remote(self) -> bool:
        """Whether a worker has to fetch it first."""
        return is_store_url(self.address)

    @property
    def key(self) -> str:
        """The name of its result, the same in every run: ``talk-1f9a3c2e77b0``."""
        path = self.address if self.is_remote else Address.of(self.address).target
        stem = _UNSAFE.sub("-", printable(PurePosixPath(path).stem)).strip(".-")[:_LONGEST_STEM] or "source"
        digest = hashlib.sha256(os.fsencode(self.address)).hexdigest()
        return f"{stem}-{digest[:_KEY_DIGITS]}"

    def look_again(self) -> "ArchiveSource":
        """The file as it is now, seen from this machine.

        Raises:
            SourceNotFoundError: it is not there.
            SourceUnavailableError: the store does not answer, or refuses.
        """
        if self.is_remote:
            filesystem, path = open_filesystem(self.address)
            try:
                filesystem.invalidate_cache()
                return _stored(self.address, filesystem.info(path))
            except FileNotFoundError as error:
                raise SourceNotFoundError(f"{self.name} does not exist; check the address") from error
            except Exception as error:
                raise SourceUnavailableError(f"{self.name} cannot be read: {reason_of(error)}") from error
        return _local(self.address)


def list_archive(addresses: Sequence[str], manifests: Sequence[Path] = ()) -> tuple[list[ArchiveSource], list[LeftOut]]:
    """The files of all addresses, each once, and the files of folders that were left out.

    Args:
        addresses: paths, folders, ``s3://bucket/prefix``, addresses of ``analyze``, or ``@FILE`` for a manifest.
        manifests: text files with one such address a line, or CSV files with the addresses in their first column.

    Raises:
        UsageError: there is no address at all, or an address is invalid.
        SourceError: a manifest, or a store, cannot be read.
    """
    named = [address for address in addresses if not address.startswith("@")]
    files = [*map(Path, manifests), *(Path(address[1:]) for address in addresses if address.startswith("@"))]
    for file in files:
        named += read_manifest(file)
    if not named:
        raise UsageError("no source is named: give files, folders, s3://bucket/prefix, or a manifest")
    found: dict[str, ArchiveSource] = {}
    left_out: list[LeftOut] = []
    for address in named:
        listed, others = _list(address)
        left_out += others
        for source in listed:
            found.setdefault(source.address, source)
    return list(found.values()), left_out


def read_manifest(file: Path) -> list[str]:
    """The addresses of a manifest: one a line, or the first column of a ``.csv``; relative paths are the manifest's.

    Empty lines, lines that begin with ``#``, and a CSV's header (``source``, ``path``, ``url`` or ``address``) are
    skipped.

    Raises:
        SourceUnavailableError: the file cannot be read as UTF-8 text.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "is no UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise SourceUnavailableError(f"the manifest {printable(file)} cannot be read: {reason}") from error
    lines = text.splitlines()
    if file.suffix.lower() == ".csv":
        lines = [row[0] for row in csv.reader(lines) if row]
        if lines and lines[0].strip().lower() in ("source", "path", "url", "address"):
            del lines[0]
    entries = [line.strip() for line in lines]
    return [_beside(file, entry) for entry in entries if entry and not entry.startswith("#")]


def _beside(file: Path, entry: str) -> str:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", entry):
        return entry
    return str(file.parent / entry)


def _list(address: str) -> tuple[list[ArchiveSource], Iterable[LeftOut]]:
    if is_store_url(address):
        return _list_store(address), ()
    try:
        paths, left_out = expand(address)
    except MonitorError:
        return [_local_or_unknown(address)], ()  # it fails by its own sentence when it is opened
    return [_local_or_unknown(path) for path in paths], left_out


def _local_or_unknown(address: str) -> ArchiveSource:
    try:
        return _local(address)
    except SourceNotFoundError:
        path = Address.of(address).path
        return ArchiveSource(address if path is None else str(path.absolute()))


def _local(address: str) -> ArchiveSource:
    path = Address.of(address).path
    if path is None:
        return ArchiveSource(address)  # a camera, a server, the demo
    path = path.absolute()
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise SourceNotFoundError(f"{printable(path)} does not exist; check the path") from error
    return ArchiveSource(str(path), size=status.st_size, version=str(status.st_mtime_ns))


def _list_store(address: str) -> list[ArchiveSource]:
    filesystem, path = open_filesystem(address)
    shown = mask(address)
    try:
        filesystem.invalidate_cache()
        entries: dict[str, Mapping[str, Any]] = filesystem.find(path, detail=True)
    except Exception as error:
        raise SourceUnavailableError(f"{shown} cannot be listed: {reason_of(error)}") from error
    files = {name: info for name, info in entries.items() if name == path or _may_be_media(name)}
    results = _result_folders(entries)
    files = {name: info for name, info in files.items() if name == path or str(_parent(name)) not in results}
    if not files:
        raise SourceNotFoundError(f"{shown}: holds no video or image; check the bucket and the prefix")
    return [_stored(filesystem.unstrip_protocol(name), info) for name, info in files.items()]


def _may_be_media(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES and not path.name.startswith(".")


def _result_folders(entries: Iterable[str]) -> set[str]:
    names: dict[str, set[str]] = {}
    for entry in entries:
        path = PurePosixPath(entry)
        if path.name in _RESULT_FILES:
            names.setdefault(str(path.parent), set()).add(path.name)
    return {folder for folder, found in names.items() if found == _RESULT_FILES}


def _parent(name: str) -> PurePosixPath:
    return PurePosixPath(name).parent


def _stored(address: str, info: Mapping[str, Any]) -> ArchiveSource:
    version = next((str(info[key]) for key in _VERSION_KEYS if info.get(key)), None)
    return ArchiveSource(address, size=info.get("size"), version=version)
