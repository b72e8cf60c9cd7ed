"""Where results are kept: a folder that appears whole, or not at all."""

import contextlib
import errno
import itertools
import json
import re
import secrets
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from monitor.results.formats import REPORT_FILE, report_formats
from monitor.system.files import write_error
from monitor.types import SourceInfo

VIDEO_FILE, TIMELINE_FILE = "annotated.mp4", "timeline.csv"
_UNSAFE = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')
_LONGEST_NAME = 200  # bytes; file systems allow 255, our prefix and number included


def result_name(info: SourceInfo) -> str:
    """What a source's results are called: ``talk`` for ``clips/talk.mp4``, ``rtsp-cam-live`` for ``rtsp://cam/live``."""
    name = info.name
    if info.path is not None:
        name = info.path.resolve().name if info.kind == "folder" else info.path.stem
    safe = _UNSAFE.sub("-", name).strip(" .-")
    return safe.encode()[:_LONGEST_NAME].decode(errors="ignore") or info.kind


def result_files() -> tuple[str, ...]:
    """The files that an analysis may leave."""
    return *report_formats(), TIMELINE_FILE, VIDEO_FILE


class OutputFolder:
    """The results of one source, ``<parent>/<name>/``: hidden until they are whole.

    Write into ``working``; leaving the ``with`` block publishes it, an exception removes it and
    every folder made for it. An earlier result of the same source (same name and content hash in
    its report.json) is replaced, unless it was live: no two recordings are the same. Anything else of
    that name is left alone and the new result is called ``<name>-2``, ``<name>-3``, ... Files that a
    person put beside an earlier result stay.

    Args:
        parent: made if it is not there.
        name: of the result, see :func:`result_name`.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(self, parent: Path, name: str) -> None:
        self._parent, self._name = parent, name
        self._made: list[Path] = []
        self.target: Path | None = None  # where the results lie once they are published
        self.working = parent / f".{name}-{secrets.token_hex(4)}.partial"
        try:
            missing = [folder for folder in (parent, *parent.parents) if not folder.exists()]
            for folder in reversed(missing):
                folder.mkdir(exist_ok=True)
                self._made.append(folder)
            self.working.mkdir()
        except OSError as error:
            self.abort()
            raise write_error(parent, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.publish()
        else:
            self.abort()

    def publish(self) -> Path:
        """Give the results their name.

        Returns:
            The folder that holds them.

        Raises:
            OutputError: that failed; an earlier result is as it was.
        """
        origin = _origin(self.working)
        names = (self._name if number == 1 else f"{self._name}-{number}" for number in itertools.count(1))
        try:
            self.target = next(target for name in names if self._take(target := self._parent / name, origin))
        except OSError as error:
            self.abort()
            raise write_error(self._parent / self._name, error) from error
        return self.target

    def abort(self) -> None:
        """Remove what was written, and the folders that were made for it if nothing else uses them."""
        shutil.rmtree(self.working, ignore_errors=True)
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):  # not empty: someone else writes there, too
                folder.rmdir()

    def _take(self, target: Path, origin: tuple[object, object] | None) -> bool:
        """Make ``target`` the result; False if that name belongs to something else."""
        if target.exists():
            if origin is None or _origin(target) != origin:
                return False
            self._replace(target)
            return True
        try:
            self.working.rename(target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):  # taken in this very moment
                return False
            raise
        return True

    def _replace(self, target: Path) -> None:
        """Swap an earlier result for this one; what else lies there moves along."""
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
    """Name and content hash of the source whose result lies in ``folder``; None if none does.

    Neither is a live recording anything that could be replaced, nor what has no hash (but the demo's): it may have
    changed under the same name.
    """
    try:
        source = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))["source"]
        known = source["sha256"] is not None or source["synthetic"]
        return (source["name"], source["sha256"]) if known and not source["live"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
