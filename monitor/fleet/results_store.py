"""The place of all results: a folder that every node sees, or a URL of a store.

One result per file, whole or not there: ``<out>/<key>/`` with the marker ``done.json``. In a folder a result is moved
into place by one rename. A store has no renames: the files go to ``<key>/<attempt>/`` under a name of their own, and
the marker, which names the attempt and is written last and at once, makes them the result.
"""

import contextlib
import errno
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

from monitor.errors import OutputError
from monitor.fleet.file_outcome import MARKER_FILE, DoneMarker
from monitor.fleet.remote_store import is_store_url, open_filesystem, reason_of
from monitor.media.sources.address import Address
from monitor.system.files import write_error, write_whole
from monitor.system.masking import mask

_CHUNK: Final = 1000  # markers that are read at once from a store


class ResultsStore(Protocol):
    """Publishes results and finds those that are done."""

    def write_text(self, name: str, text: str) -> None:
        """Writes a file beside the results, whole.

        Raises:
            OutputError: the place cannot be written.
        """

    def read_text(self, name: str) -> str | None:
        """The content of a file beside the results; None if it is not there.

        Raises:
            OutputError: the place cannot be read.
        """

    def markers(self, keys: Sequence[str]) -> Mapping[str, DoneMarker]:
        """The markers of the results that are there."""

    def publish(self, folder: Path, marker: DoneMarker, *, key: str) -> tuple[DoneMarker, bool]:
        """Makes the files of ``folder`` the result ``key``; an earlier result of another recipe is replaced.

        Returns:
            The marker that is in the place now, and whether it is this one: an equal result may have come first.

        Raises:
            OutputError: the place cannot be written; an earlier result stays.
        """


def open_results_store(url: str) -> ResultsStore:
    """The store of a path, or of a URL such as ``s3://bucket/results``.

    Raises:
        UsageError: the library of this store is not installed.
        MonitorError: the store cannot be opened.
    """
    if is_store_url(url):
        return ObjectResults(url)
    path = Address.of(url).path if "://" in url else Path(url)
    return FolderResults((path or Path(url)).absolute())


class FolderResults:
    """Results in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write_text(self, name: str, text: str) -> None:
        write_whole(self.root / name, text)

    def read_text(self, name: str) -> str | None:
        try:
            return (self.root / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(f"{self.root / name} cannot be read: {error.strerror}; check its permissions") from error

    def markers(self, keys: Sequence[str]) -> Mapping[str, DoneMarker]:
        found = ((key, self._marker(key)) for key in keys)
        return {key: marker for key, marker in found if marker is not None}

    def _marker(self, key: str) -> DoneMarker | None:
        try:
            return DoneMarker.parse((self.root / key / MARKER_FILE).read_bytes())
        except OSError:
            return None

    def publish(self, folder: Path, marker: DoneMarker, *, key: str) -> tuple[DoneMarker, bool]:
        hidden = self.root / f".{key}-{secrets.token_hex(4)}"
        partial, earlier, target = hidden.with_suffix(".partial"), hidden.with_suffix(".earlier"), self.root / key
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            (folder / MARKER_FILE).write_text(marker.to_json(), encoding="utf-8")
            _move(folder, partial)
            while not _renamed(partial, target):
                present = self._marker(key)
                if present is not None and present.covers(marker.source, marker.recipe):
                    return present, False
                with contextlib.suppress(FileNotFoundError):  # another worker replaces it as well
                    target.rename(earlier)
                shutil.rmtree(earlier, ignore_errors=True)
        except OSError as error:
            raise write_error(target, error) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return marker, True


def _move(folder: Path, partial: Path) -> None:
    """Moves a folder of the node's own disk beside its final place."""
    try:
        folder.rename(partial)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copytree(folder, partial)


def _renamed(partial: Path, target: Path) -> bool:
    """Renames a folder; False if the target is there already."""
    try:
        partial.rename(target)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
        return False
    return True


class ObjectResults:
    """Results in a store of objects."""

    def __init__(self, url: str) -> None:
        self._shown = mask(url)
        self._filesystem, path = open_filesystem(url)
        self._root = path.rstrip("/")

    def write_text(self, name: str, text: str) -> None:
        try:
            self._filesystem.pipe_file(f"{self._root}/{name}", text.encode())
        except Exception as error:
            raise self._error(error) from error

    def read_text(self, name: str) -> str | None:
        path = f"{self._root}/{name}"
        content = self._read([path]).get(path)
        return None if content is None else content.decode(errors="replace")

    def markers(self, keys: Sequence[str]) -> Mapping[str, DoneMarker]:
        found: dict[str, DoneMarker] = {}
        for start in range(0, len(keys), _CHUNK):
            paths = {f"{self._root}/{key}/{MARKER_FILE}": key for key in keys[start : start + _CHUNK]}
            for path, content in self._read(list(paths)).items():
                marker = DoneMarker.parse(content)
                if marker is not None:
                    found[paths[path]] = marker
        return found

    def _read(self, paths: list[str]) -> Mapping[str, bytes]:
        try:
            contents: dict[str, Any] = self._filesystem.cat(paths, on_error="return")
        except Exception as error:
            raise OutputError(f"{self._shown} cannot be read: {reason_of(error)}") from error
        for content in contents.values():
            if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                raise OutputError(f"{self._shown} cannot be read: {reason_of(content)}") from content
        return {path: content for path, content in contents.items() if isinstance(content, bytes)}

    def publish(self, folder: Path, marker: DoneMarker, *, key: str) -> tuple[DoneMarker, bool]:
        attempt = f"{key}/{secrets.token_hex(4)}"
        marker = replace(marker, outcome=replace(marker.outcome, folder=attempt))
        try:
            for file in sorted(folder.iterdir()):
                self._filesystem.put_file(str(file), f"{self._root}/{attempt}/{file.name}")
            before = self.markers([key]).get(key)
            if before is not None and before.covers(marker.source, marker.recipe):
                self._filesystem.rm(f"{self._root}/{attempt}", recursive=True)
                return before, False
            self._filesystem.pipe_file(f"{self._root}/{key}/{MARKER_FILE}", marker.to_json().encode())
        except OutputError:
            raise
        except Exception as error:
            raise self._error(error) from error
        if before is not None and before.outcome.folder:
            with contextlib.suppress(Exception):  # files that no marker names any more
                self._filesystem.rm(f"{self._root}/{before.outcome.folder}", recursive=True)
        return marker, True

    def _error(self, error: Exception) -> OutputError:
        return OutputError(f"{self._shown} cannot be written: {reason_of(error)}")
