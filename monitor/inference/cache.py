"""Compiled artefacts on disk: identified by their inputs, written atomically, verified before use.

An artefact is a file with a JSON sidecar that holds its SHA-256. An artefact that does not match is built again. If
the folder cannot be written, artefacts are built at every start.
"""

import hashlib
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.system.files import lock
from monitor.system.user import cache_folder

logger = logging.getLogger(__name__)

PATIENCE = 120.0  # seconds to wait for another process that builds the same artefact
KEEP = 2  # artefacts per network: one in use, and one for another version that shares the folder
_ABANDONED_AFTER = timedelta(hours=1)  # a temporary file of this age has no writer any more


def default_cache_dir(override: Path | None = None) -> Path:
    """The folder of compiled artefacts: ``override``, or the user's cache folder on this system."""
    return override or cache_folder()


@dataclass(frozen=True, slots=True)
class ArtefactKey:
    """The inputs of an artefact; any different value identifies a different artefact."""

    network: str  # Network.name; valid in a file name
    digest: str  # Network.digest
    versions: Mapping[str, str]  # of every involved library: name -> version

    @property
    def stem(self) -> str:
        """``<network>-<16 hex digits>``."""
        facts = json.dumps(asdict(self), sort_keys=True)
        return f"{self.network}-{hashlib.sha256(facts.encode()).hexdigest()[:16]}"


def fetch(key: ArtefactKey, build: Callable[[], bytes], *, folder: Path, suffix: str) -> Path | bytes:
    """The artefact for ``key`` in ``folder``; built first if it is missing or damaged.

    A process waits up to ``PATIENCE`` seconds for another one that builds the same artefact. After that, or where
    files cannot be locked, both build at once, because each replaces the whole file. The newest ``KEEP`` artefacts of
    a network stay; older ones are removed.

    Args:
        build: returns the artefact's bytes; called only without a valid file.
        folder: created if it does not exist.
        suffix: of the file name, with its dot.

    Returns:
        The path of a verified file, or the bytes if the folder cannot be written (logged).
    """
    path = lookup(key, folder=folder, suffix=suffix)
    if path is not None:
        return path
    with _only_builder(_path(key, folder, suffix)) as has_waited:
        path = lookup(key, folder=folder, suffix=suffix) if has_waited else None
        if path is not None:
            return path
        content = build()
        try:
            return store(key, lambda temporary: temporary.write_bytes(content), folder=folder, suffix=suffix)
        except OSError as error:
            path = _path(key, folder, suffix)
            logger.warning("%s cannot be cached (%s): it is built again at every start", path, error.strerror or error)
            return content


def lookup(key: ArtefactKey, *, folder: Path, suffix: str) -> Path | None:
    """The file of ``key`` if it exists and matches its sidecar; marks it as used."""
    path = _path(key, folder, suffix)
    return path if _valid(path, key) else None


def store(key: ArtefactKey, write: Callable[[Path], object], *, folder: Path, suffix: str) -> Path:
    """Write an artefact atomically: a reader finds the old file, no file, or the complete new file.

    Args:
        write: writes the artefact to the given path, which ends with ``suffix``.
        folder: created if it does not exist.
        suffix: of the file name, with its dot.

    Raises:
        OSError: the file cannot be written. Errors of ``write`` pass through. Temporary files are deleted.
    """
    path = _path(key, folder, suffix)
    folder.mkdir(parents=True, exist_ok=True)
    with _temporary(path, suffix) as temporary:
        write(temporary)
        with temporary.open("r+b") as file:
            digest, size = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
            os.fsync(file.fileno())
        temporary.replace(path)
    facts = asdict(key) | {"bytes": size, "sha256": digest}
    with _temporary(_sidecar(path), ".json") as temporary, temporary.open("wb") as file:
        file.write(json.dumps(facts, indent=2).encode())
        file.flush()
        os.fsync(file.fileno())
        file.close()
        temporary.replace(_sidecar(path))
    _prune(folder, key.network, keep=path, suffix=suffix)
    return path


def discard(path: Path) -> None:
    """Remove an artefact that matches its sidecar but cannot be used; failures are ignored."""
    for file in (_sidecar(path), path):
        with suppress(OSError):
            file.unlink(missing_ok=True)


def artefacts(folder: Path) -> list[Path]:
    """All files of compiled artefacts in ``folder``, including those of the runtimes; all can be rebuilt."""
    named = re.compile(r".+-[0-9a-f]{16}\..+")
    found = [path for path in folder.glob("*") if path.is_file() and named.fullmatch(path.name)]
    return sorted([*found, *folder.glob(f"*/*-{'[0-9a-f]' * 16}/*.blob")])


def _path(key: ArtefactKey, folder: Path, suffix: str) -> Path:
    return folder / f"{key.stem}{suffix}"


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _valid(path: Path, key: ArtefactKey) -> bool:
    """Whether the file matches its sidecar and the sidecar matches ``key``; marks the file as used."""
    try:
        if not path.exists():
            return False
        sidecar = json.loads(_sidecar(path).read_bytes())
        expected, made_from = sidecar["sha256"], {name: sidecar[name] for name in asdict(key)}
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.warning("cached %s cannot be checked (%s): building it again", path, type(error).__name__)
        return False
    if made_from != asdict(key):
        logger.warning("cached %s was made from other inputs: building it again", path)
        return False
    if found != expected:
        logger.warning("cached %s is damaged: building it again", path)
        return False
    try:
        os.utime(path)
    except OSError:
        logger.debug("%s cannot be marked as used", path)
    return True


@contextmanager
def _only_builder(path: Path) -> Iterator[bool]:
    """Lock an artefact against other builders; gives whether another one held the lock."""
    name = path.with_name(f"{path.name}.lock")
    with ExitStack() as held:
        has_waited = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = held.enter_context(name.open("wb"))
            held.callback(name.unlink, missing_ok=True)
            has_waited = not lock(file)
            if has_waited:
                lock(file, patience=PATIENCE)
        except OSError as error:
            logger.debug("%s cannot be locked (%s)", path, error.strerror or error)
        yield has_waited


@contextmanager
def _temporary(path: Path, suffix: str) -> Iterator[Path]:
    """A temporary name beside ``path`` that ends with ``suffix``; the file is removed after the block."""
    temporary = path.with_name(f"{path.name.removesuffix(suffix)}.{secrets.token_hex(4)}.tmp{suffix}")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _prune(folder: Path, network: str, *, keep: Path, suffix: str) -> None:
    """Remove the network's artefacts beyond the newest ``KEEP``, and abandoned temporary files."""
    hexadecimal = "[0-9a-f]" * 16
    try:
        others = [path for path in folder.glob(f"{network}-{hexadecimal}{suffix}") if path != keep]
        others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in others[KEEP - 1 :]:
            path.unlink(missing_ok=True)
            _sidecar(path).unlink(missing_ok=True)
        oldest = (datetime.now(UTC) - _ABANDONED_AFTER).timestamp()
        for path in folder.glob(f"{network}-{hexadecimal}*.tmp*"):
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("old artefacts in %s cannot be removed (%s)", folder, error.strerror or error)
