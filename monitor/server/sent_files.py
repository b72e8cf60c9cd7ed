"""Files of flags and analyses as answers, for the pages and for the API."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final

from starlette.background import BackgroundTask
from starlette.responses import FileResponse, HTMLResponse, Response

from monitor.errors import FileMissingError, OutputError, StoreError
from monitor.flags.archive import FlagArchive
from monitor.results.printable import PRINTABLE, printable
from monitor.settings import CredentialSettings
from monitor.types import Flag

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data: 'self'; media-src 'self'; "
    "frame-ancestors 'none'",
}


def flag_file(archive: FlagArchive, flag: Flag, name: str) -> Response:
    """A file of a flag; byte ranges are supported, so that a player can seek in a clip.

    It may wait for an object store, so do not call it on the event loop.

    Raises:
        OutputError: there is no such file.
        StoreError: the store of the files does not answer.
    """
    _require(name in {exhibit.name for exhibit in flag.exhibits}, name)
    try:
        return _file(archive.files.path(flag.id, name))
    except FileMissingError:
        raise OutputError("the file no longer exists") from None
    except OutputError as error:
        raise StoreError(str(error)) from error


def result_file(folder: Path | None, name: str, *, saved: bool = False) -> Response:
    """A result file of an analysis, or the page to print.

    Args:
        folder: of the results; None before the end of the analysis.
        saved: whether a browser saves the file instead of showing it.

    Raises:
        OutputError: there is no such file.
    """
    _require(folder is not None, name)
    assert folder is not None  # noqa: S101 - narrows the type
    if name == PRINTABLE:
        return HTMLResponse(printable(folder), headers=HEADERS)
    _require(name in {path.name for path in folder.iterdir()}, name)
    return _file(folder / name, saved=saved)


async def export_flags(
    archive: FlagArchive,
    ids: Iterable[str],
    *,
    actor: str,
    note: Callable[[], Awaitable[None]],
    credentials: CredentialSettings,
    blur: bool = False,
) -> Response:
    """A bundle of the flags with these ids, see :mod:`monitor.flags.bundle`.

    Args:
        note: called when the bundle is complete; its error deletes the bundle.
        credentials: sign the files, if they name a certificate.

    Raises:
        FlagNotFoundError: no flag has one of the ids.
        OutputError: the bundle cannot be written.
        StoreError: the database does not answer.
        UsageError: the certificate or the key cannot be used.
    """
    folder = tempfile.TemporaryDirectory(prefix="deepfake-monitor-")
    path = Path(folder.name) / "flags.zip"
    try:
        flags = [await asyncio.to_thread(archive.store.get, flag_id) for flag_id in ids]
        await asyncio.to_thread(archive.export, flags, path, actor=actor, blur=blur, credentials=credentials)
        await note()
    except BaseException:
        folder.cleanup()
        raise
    done = BackgroundTask(folder.cleanup)
    return FileResponse(path, filename="flags.zip", headers=HEADERS, background=done)


def _file(path: Path, *, saved: bool = False) -> Response:
    if not path.is_file():
        raise OutputError("the file no longer exists")
    return FileResponse(path, headers=HEADERS, filename=path.name if saved else None, stat_result=path.stat())


def _require(exists: bool, name: str) -> None:  # noqa: FBT001 - a check
    if not exists:
        raise OutputError(f"there is no file {name}: the list of files names all of them")
