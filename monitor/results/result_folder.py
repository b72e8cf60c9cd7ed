"""A results folder, published atomically."""

import contextlib
import errno
import itertools
import json
import re
import secrets
import shutil
from pathlib import Path
from typing import Self

from monitor.results.formats import REPORT_FILE, report_formats
from monitor.system.files import write_error
from monitor.system.masking import printable
from monitor.types import SourceInfo

VIDEO_FILE, TIMELINE_FILE = "annotated.mp4", "timeline.csv"
PLAIN_VIDEO_FILE = "annotated-without-heat-map.mp4"  # of an upload, beside the result files
_UNSAFE = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')
_MAX_NAME = 200  # bytes; file systems allow 255, including the prefix and number


def result_name(info: SourceInfo) -> str:
    """The name of a source's results folder: ``talk`` for ``clips/talk.mp4``, ``rtsp-cam-live`` for ``rtsp://cam/live``."""
    name = info.name
    if info.path is not None:
        name = info.path.resolve().name if info.kind == "folder" else info.path.stem
    safe = _UNSAFE.sub("-", printable(name)).strip(" .-")
    return safe.encode()[:_MAX_NAME].decode(errors="ignore") or info.kind


def result_files() -> tuple[str, ...]:
    """The names of all files that an analysis can write."""
    return *report_formats(), TIMELINE_FILE, VIDEO_FILE


class OutputFolder:
    """The results folder of one source, ``<parent>/<name>/``; hidden until it is complete.

    Write into ``working``. Leaving the ``with`` block publishes this folder; an exception removes it with every folder
    created for it. A new result replaces an earlier result of the same file (same name and content hash in its
    report.json), and keeps other files in that folder. If the name belongs to a live recording or to other files, the
    new result is named ``<name>-2``, ``<name>-3``, ...

    Args:
        parent: created if missing.
        name: name of the result, see :func:`result_name`.

    Raises:
        OutputError: the folder cannot be created.
    """

    def __init__(self, parent: Path, name: str) -> None:
        self._parent, self._name = parent, name
        self._created: list[Path] = []
        self.target: Path | None = None  # the published folder; None before ``publish``
        self.working = parent / f".{name}-{secrets.token_hex(4)}.partial"
        try:
            missing = [folder for folder in (parent, *parent.parents) if not folder.exists()]
            for folder in reversed(missing):
                folder.mkdir(exist_ok=True)
                self._created.append(folder)
            self.working.mkdir()
        except OSError as error:
            self.abort()
            raise write_error(parent, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.publish()
        else:
            self.abort()

    def publish(self) -> Path:
        """Rename the working folder to its final name.

        Raises:
            OutputError: the rename failed; an earlier result is unchanged.
        """
        origin = _origin(self.working)
        names = (self._name if number == 1 else f"{self._name}-{number}" for number in itertools.count(1))
        try:
            self.target = next(target for name in names if self._claim(target := self._parent / name, origin))
        except OSError as error:
            self.abort()
            raise write_error(self._parent / self._name, error) from error
        return self.target

    def abort(self) -> None:
        """Remove the working folder, and the parent folders created for it if they are empty."""
        shutil.rmtree(self.working, ignore_errors=True)
        for folder in reversed(self._created):
            with contextlib.suppress(OSError):  # not empty: another process uses it
                folder.rmdir()

    def _claim(self, target: Path, origin: tuple[object, object] | None) -> bool:
        """Publish as ``target``; False if this name belongs to another result."""
        if target.exists():
            if origin is None or _origin(target) != origin:
                return False
            self._replace(target)
            return True
        try:
            self.working.rename(target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):  # another process has just created it
                return False
            raise
        return True

    def _replace(self, target: Path) -> None:
        """Replace an earlier result with this result; keep other files in its folder."""
        earlier = self.working.with_suffix(".earlier")
        target.rename(earlier)
        try:
            self.working.rename(target)
        except OSError:
            earlier.rename(target)
            raise
        for entry in earlier.iterdir():
            if entry.name not in result_files():
                entry.rename(target / entry.name)
        shutil.rmtree(earlier, ignore_errors=True)


def _origin(folder: Path) -> tuple[object, object] | None:
    """Name and content hash of the source of the result in ``folder``; None if this result must not be replaced.

    A live recording is never replaced. A source without a hash (other than the demo) is not replaced either, because
    its content may have changed under the same name.
    """
    try:
        source = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))["source"]
        known = source["sha256"] is not None or source["synthetic"]
        return (source["name"], source["sha256"]) if known and not source["live"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
