"""The bytes of a local file for an upload, in chunks, with its progress."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from monitor.errors import SourceNotFoundError, SourceUnavailableError

CHUNK: Final = 1 << 18  # bytes

Progress = Callable[[int, int], object]  # called with the bytes sent so far, and with all bytes


@dataclass(frozen=True, slots=True)
class UploadSource:
    """A local file; each reading begins at its beginning."""

    path: Path
    size: int  # bytes
    on_progress: Progress

    @classmethod
    def open(cls, path: Path, on_progress: Progress) -> "UploadSource":
        """The file at a path.

        Raises:
            SourceNotFoundError: there is no such file.
            SourceUnavailableError: it cannot be read.
        """
        try:
            if not path.is_file():
                raise SourceNotFoundError(f"{path}: there is no such file: check the path")
            with path.open("rb"):
                return cls(path, path.stat().st_size, on_progress)
        except OSError as error:
            raise SourceUnavailableError(f"{path} cannot be read: {error.strerror or error}") from error

    def read(self) -> Iterator[bytes]:
        """Its bytes, in chunks."""
        sent = 0
        with self.path.open("rb") as file:
            while chunk := file.read(min(CHUNK, self.size - sent)):  # a file that grows keeps its stated length
                yield chunk
                sent += len(chunk)
                self.on_progress(sent, self.size)

    async def read_async(self) -> AsyncIterator[bytes]:
        """Its bytes, in chunks, read on another thread than the event loop's."""
        sent = 0
        with await asyncio.to_thread(self.path.open, "rb") as file:
            while chunk := await asyncio.to_thread(file.read, min(CHUNK, self.size - sent)):
                yield chunk
                sent += len(chunk)
                self.on_progress(sent, self.size)
