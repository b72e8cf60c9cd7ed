"""Compiled artefacts on disk: keyed by what made them, written atomically, checked before use.

An artefact is one file and a JSON sidecar beside it that holds its SHA-256. Whatever does not match
is built again; a folder that cannot be written costs time, never the run.
"""

import hashlib
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import platformdirs

logger = logging.getLogger(__name__)

KEEP = 2  # artefacts per network: the one in use, and one for another version that shares the folder
_ABANDONED_AFTER = timedelta(hours=1)  # then a temporary file has lost its writer


def default_cache_dir(override: Path | None = None) -> Path:
    """The folder of compiled artefacts: ``override``, or the user's cache folder on this system."""
    return override or platformdirs.user_cache_path("deepfake-monitor", appauthor=False)


@dataclass(frozen=True, slots=True)
class ArtefactKey:
    """What an artefact was made from; another value of any field means another file."""

    network: str  # Network.name; fit for a file name
    digest: str  # Network.digest
    versions: Mapping[str, str]  # of everything that had a hand in it: library -> version

    @property
    def stem(self) -> str:
        """``<network>-<16 hex digits>``."""
        facts = json.dumps(asdict(self), sort_keys=True)
        return f"{self.network}-{hashlib.sha256(facts.encode()).hexdigest()[:16]}"


def fetch(key: ArtefactKey, build: Callable[[], bytes], *, folder: Path, suffix: str) -> Path | bytes:
    """The artefact for ``key``: its file in ``folder``, built first if it is absent or damaged.

    Two processes may build the same artefact at once: each replaces the file as a whole. The newest
    ``KEEP`` artefacts of a network stay, older ones are removed.

    Args:
        key: what the artefact is made from.
        build: makes the artefact's bytes; called only when no valid file exists.
        folder: created if it does not exist.
        suffix: of the file name, with its dot.

    Returns:
        The path of a verified file, or the bytes themselves where nothing can be written (logged).
    """
    path = lookup(key, folder=folder, suffix=suffix)
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
    """The file of ``key``, if it is there and is what its sidecar says; it is marked as used."""
    path = _path(key, folder, suffix)
    return path if _valid(path, key) else None


def store(key: ArtefactKey, write: Callable[[Path], object], *, folder: Path, suffix: str) -> Path:
    """Keep an artefact: a reader sees the old one, none, or the new one as a whole, whenever the writer is killed.

    Args:
        key: what it is made from.
        write: puts it into the file of that path, whose name ends with ``suffix``.
        folder: created if it does not exist.
        suffix: of the file name, with its dot.

    Returns:
        Its path.

    Raises:
        OSError: it cannot be written; so does whatever ``write`` raises. Nothing is left behind.
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
    """Remove an artefact that proved unusable although it is what was written, if the folder lets it go."""
    for file in (_sidecar(path), path):
        with suppress(OSError):
            file.unlink(missing_ok=True)


def artefacts(folder: Path) -> list[Path]:
    """Every file of compiled artefacts in ``folder``, what runtimes keep there included: all can be made again."""
    named = re.compile(r".+-[0-9a-f]{16}\..+")
    found = [path for path in folder.glob("*") if path.is_file() and named.fullmatch(path.name)]
    return sorted([*found, *folder.glob(f"*/*-{'[0-9a-f]' * 16}/*.blob")])


def _path(key: ArtefactKey, folder: Path, suffix: str) -> Path:
    return folder / f"{key.stem}{suffix}"


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _valid(path: Path, key: ArtefactKey) -> bool:
    """Whether the file is what its sidecar says, and was made from what ``key`` says; marks it as used."""
    try:
        if not path.exists():
            return False
        said = json.loads(_sidecar(path).read_bytes())
        expected, made_from = said["sha256"], {name: said[name] for name in asdict(key)}
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.warning("cached %s cannot be checked (%s): building it again", path, type(error).__name__)
        return False
    if made_from != asdict(key):
        logger.warning("cached %s was made from something else: building it again", path)
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
def _temporary(path: Path, suffix: str) -> Iterator[Path]:
    """A name beside ``path`` that ends with ``suffix``; what is still there at the end of the block is removed."""
    temporary = path.with_name(f"{path.name.removesuffix(suffix)}.{secrets.token_hex(4)}.tmp{suffix}")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _prune(folder: Path, network: str, *, keep: Path, suffix: str) -> None:
    """Remove the network's artefacts beyond the newest ``KEEP``, and temporary files whose writer died."""
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
