"""A file while it is downloaded: it gets its name when it is complete, and a lost connection resumes it."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import httpx

from monitor.system.files import write_error

_PARTIAL: Final = 206


class PartialFile:
    """Writes ``<name>.partial`` and renames it after the block; an error in the block deletes it.

    Args:
        path: of the whole file; its folder is created if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._partial = path, path.with_name(f"{path.name}.partial")
        self._file: BinaryIO | None = None
        self._etag = ""
        self.received = 0  # bytes

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._partial.open("wb")
        except OSError as error:
            raise write_error(self._path, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None  # noqa: S101 - narrows the type
        self._file.close()
        try:
            if error is None:
                self._partial.replace(self._path)
            else:
                self._partial.unlink(missing_ok=True)
        except OSError as failed:
            raise write_error(self._path, failed) from failed

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that ask for the missing part (RFC 9110, section 14)."""
        whole = {"Accept-Encoding": "identity"}  # a range of a compressed answer means other bytes
        if not self.received or not self._etag or self._etag.startswith("W/"):
            return whole
        return whole | {"Range": f"bytes={self.received}-", "If-Range": self._etag}

    def begin(self, response: httpx.Response) -> None:
        """Prepares for the body of a successful answer: the missing part, or the whole file again."""
        assert self._file is not None  # noqa: S101 - narrows the type
        if response.status_code != _PARTIAL:
            self._file.seek(0)
            self._file.truncate()
            self.received = 0
        self._etag = response.headers.get("etag", "")

    def add(self, chunk: bytes) -> None:
        """Appends bytes.

        Raises:
            OutputError: the disk is full.
        """
        assert self._file is not None  # noqa: S101 - narrows the type
        try:
            self._file.write(chunk)
        except OSError as error:
            raise write_error(self._path, error) from error
        self.received += len(chunk)
