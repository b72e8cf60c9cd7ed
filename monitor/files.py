"""A file that appears whole, or not at all."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from monitor.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: Path, content: bytes | str) -> None:
    """Write under a temporary name beside ``path``, then rename it: a reader sees the old file or the new one.

    Args:
        path: its folder is made if it is not there.
        content: text is written as UTF-8.

    Raises:
        OutputError: it cannot be written; what was there stays, nothing is left behind.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        msg = f"{path} cannot be written ({error.strerror or error}): choose another place, or free space"
        raise OutputError(msg) from error
