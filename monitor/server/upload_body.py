"""Receives the body of a request as the file of an analysis, in chunks."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request

from monitor.server.upload_size import check_size
from monitor.server.uploads import Uploads


async def receive_body(
    request: Request,
    analyses: Uploads,
    *,
    name: str,
    accept: Callable[[str], Awaitable[None]],
    on_chunk: Callable[[bytes], object] = lambda _: None,
) -> tuple[str, int]:
    """Writes the body to the disk and queues its analysis.

    Args:
        name: of the file on the user's machine.
        accept: called with the id of the analysis when the file is complete and readable; its error deletes the file.
        on_chunk: called with each part of the body.

    Returns:
        The id of the analysis, and the size of the file, bytes.

    Raises:
        UsageError: the file is too large.
        SourceUnreadableError: the file contains no picture.
        OutputError: the file cannot be written.
    """
    limit = analyses.settings.dashboard.max_upload_megabytes
    received = 0
    check_size(int(request.headers.get("content-length", "0")), max_megabytes=limit)
    with analyses.receive(name) as (analysis_id, path):
        with path.open("wb") as file:
            async for piece in request.stream():
                received += len(piece)
                check_size(received, max_megabytes=limit)
                on_chunk(piece)
                await asyncio.to_thread(file.write, piece)
        await asyncio.to_thread(analyses.check_readable, path, name=Path(name).name or "the file")
        await accept(analysis_id)
    return analysis_id, received
