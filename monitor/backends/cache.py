"""Compiled artefacts on disk: keyed by what made them, written atomically, checked before use.

An artefact is one file and a JSON sidecar beside it that holds its SHA-256. Whatever does not match
is built again; a folder that cannot be written costs time, never the run.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    path = folder / f"{key.stem}{suffix}"
    if _valid(path):
        return path
    content = build()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, content)
        facts = asdict(key) | {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        _write(_sidecar(path), json.dumps(facts, indent=2).encode())
    except OSError as error:
        logger.warning("%s cannot be cached (%s): it is built again at every start", path, error.strerror or error)
        return content
    _prune(folder, key.network, keep=path)
    return path


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _valid(path: Path) -> bool:
    """Whether the file is what its sidecar says; marks it as used."""
    try:
        if not path.exists():
            return False
        expected = json.loads(_sidecar(path).read_bytes())["sha256"]
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.warning("cached %s cannot be checked (%s): building it again", path, type(error).__name__)
        return False
    if found != expected:
        logger.warning("cached %s is damaged: building it again", path)
        return False
    try:
        os.utime(path)
    except OSError:
        logger.debug("%s cannot be marked as used", path)
    return True


def _write(path: Path, content: bytes) -> None:
    """Replace ``path`` as a whole: a reader sees the old file or the new one."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", suffix=".tmp", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            file.close()
            temporary.replace(path)
        except BaseException:
            file.close()
            temporary.unlink(missing_ok=True)
            raise


def _prune(folder: Path, network: str, *, keep: Path) -> None:
    """Remove the network's artefacts beyond the newest ``KEEP``, and temporary files whose writer died."""
    hexadecimal = "[0-9a-f]" * 16
    try:
        others = [path for path in folder.glob(f"{network}-{hexadecimal}{keep.suffix}") if path != keep]
        others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in others[KEEP - 1 :]:
            path.unlink(missing_ok=True)
            _sidecar(path).unlink(missing_ok=True)
        oldest = (datetime.now(UTC) - _ABANDONED_AFTER).timestamp()
        for path in folder.glob(f"{network}-{hexadecimal}*.tmp"):
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("old artefacts in %s cannot be removed (%s)", folder, error.strerror or error)
