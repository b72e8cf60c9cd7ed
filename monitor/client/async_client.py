"""The asynchronous client: the methods of :class:`~monitor.client.client.Client`, awaited."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, Self
from uuid import uuid4

from monitor.client import calls
from monitor.client.async_transport import AsyncTransport
from monitor.client.connection import ServerConnection
from monitor.client.event_parser import ServerEvent
from monitor.client.polling import poll_pauses, require_done, was_too_slow
from monitor.client.reports import RemoteReport
from monitor.client.retries import Retries
from monitor.client.upload_source import Progress, UploadSource
from monitor.server.api.analysis_answers import AnalysisAnswer, ResultFileAnswer
from monitor.server.api.answers import ModelAnswer, StreamAnswer, SystemAnswer, VerdictPointAnswer
from monitor.types import Flag, Label, Opinion, Origin

_RETRIES: Final = Retries()


class AsyncClient:
    """Asks a server over its REST API, as :class:`~monitor.client.client.Client` does, on one event loop.

    Args:
        server: its address, with the path of a proxy if there is one: ``https://monitor.example.org``.
        key: of ``people key add``; None: the server needs none.
        timeout: seconds without a byte from the server.
        verify: False trusts every certificate; a context trusts a company's own.
    """

    def __init__(
        self,
        server: str,
        *,
        key: str | None = None,
        retries: Retries = _RETRIES,
        timeout: float = 60.0,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._transport = AsyncTransport(
            ServerConnection(server, key=key or "", retries=retries, timeout=timeout, verify=verify)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self._transport.server.api!r})"

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()

    async def analyze(
        self,
        path: Path | str,
        *,
        on_upload: Progress = lambda *_: None,
        on_progress: Callable[[AnalysisAnswer], object] = lambda _: None,
    ) -> RemoteReport:
        """Uploads a file, waits for its analysis and returns the report.

        Args:
            on_upload: called with the bytes sent so far and with all bytes.
            on_progress: called with each new state of the analysis.

        Raises:
            RequestRefusedError: the file contains no picture, or its analysis failed.
        """
        uploaded = await self.upload(path, on_progress=on_upload)
        analysis = await self.wait(uploaded.id, on_progress=on_progress)
        require_done(analysis)
        return await self.report(analysis.id)

    async def upload(
        self, path: Path | str, *, name: str = "", on_progress: Progress = lambda *_: None
    ) -> AnalysisAnswer:
        """Uploads a file; its analysis is queued. A repeated upload after a lost connection is analysed once.

        Args:
            name: of the file for people; default: its own.
            on_progress: called with the bytes sent so far and with all bytes.

        Raises:
            SourceError: the file cannot be read.
        """
        source = UploadSource.open(Path(path), on_progress)
        call = calls.upload_file(name or source.path.name, size=source.size, key=uuid4().hex)
        return await self._transport.do(call, body=source.read_async)

    async def submit_address(self, url: str) -> AnalysisAnswer:
        """Lets the server download and analyse the file of an address; this needs the role admin."""
        return await self._transport.do(calls.submit_address(url, key=uuid4().hex))

    async def wait(
        self,
        analysis_id: str,
        *,
        on_progress: Callable[[AnalysisAnswer], object] = lambda _: None,
        timeout: float | None = None,
    ) -> AnalysisAnswer:
        """Waits for the end of an analysis.

        Args:
            on_progress: called with each new state.
            timeout: seconds (wall clock); None: no limit.

        Raises:
            ServerUnavailableError: it has not ended in time.
        """
        deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
        before = None
        for pause in poll_pauses():
            analysis = await self.analysis(analysis_id)
            if analysis != before:
                on_progress(analysis)
            if analysis.is_over:
                return analysis
            if deadline is not None and asyncio.get_running_loop().time() + pause > deadline:
                break
            before = analysis
            await asyncio.sleep(pause)
        raise was_too_slow(analysis_id, timeout)

    def analyses(self) -> AsyncIterator[AnalysisAnswer]:
        """All analyses, the newest first, read page by page."""
        return self._transport.pages(calls.list_analyses)

    async def analysis(self, analysis_id: str) -> AnalysisAnswer:
        """The state of an analysis."""
        return await self._transport.do(calls.get_analysis(analysis_id))

    async def report(self, analysis_id: str) -> RemoteReport:
        """The report of a finished analysis."""
        return await self._transport.do(calls.get_report(analysis_id))

    async def result_files(self, analysis_id: str) -> Sequence[ResultFileAnswer]:
        """The result files of a finished analysis."""
        return (await self._transport.do(calls.list_result_files(analysis_id))).items

    async def download_result(self, analysis_id: str, name: str, path: Path | str) -> None:
        """Writes a result file to ``path``; a lost connection resumes the download.

        Raises:
            OutputError: the file cannot be written.
        """
        await self._transport.download(calls.get_file("analyses", analysis_id, "files", name), Path(path))

    async def cancel_analysis(self, analysis_id: str) -> AnalysisAnswer:
        """Cancels a queued or running analysis."""
        return await self._transport.do(calls.cancel_analysis(analysis_id))

    async def delete_analysis(self, analysis_id: str) -> None:
        """Deletes an upload and its results."""
        await self._transport.do(calls.delete_analysis(analysis_id))

    def flags(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        source: str | None = None,
        label: Label | None = None,
        opinion: Opinion | None = None,
        origin: Origin | None = None,
        reviewed: bool | None = None,
    ) -> AsyncIterator[Flag]:
        """The flags, the newest first, read page by page; None does not restrict.

        Args:
            since: with a time zone, as ``until``.
        """
        return self._transport.pages(
            partial(
                calls.list_flags,
                since=since,
                until=until,
                source=source,
                label=label,
                opinion=opinion,
                origin=origin,
                reviewed=reviewed,
            )
        )

    async def flag(self, flag_id: str) -> Flag:
        """One flag."""
        return await self._transport.do(calls.get_flag(flag_id))

    async def create_flag(
        self, stream: str, *, track_id: int | None = None, category: str = "", note: str = ""
    ) -> Flag:
        """Flags the newest picture of a stream.

        Args:
            stream: its id.
            track_id: of the face; None: the face with the worst verdict.
        """
        return await self._transport.do(calls.create_flag(stream, track_id=track_id, category=category, note=note))

    async def judge(
        self,
        flag_id: str,
        *,
        opinion: Opinion | None = None,
        category: str | None = None,
        note: str | None = None,
        expected: Flag | None = None,
    ) -> Flag:
        """Stores a person's review; None leaves a field unchanged.

        Args:
            expected: the flag as you know it; if it was changed since, nothing is stored.

        Raises:
            RemoteConflictError: the flag was changed since.
        """
        return await self._transport.do(
            calls.judge_flag(flag_id, opinion=opinion, category=category, note=note, expected=expected)
        )

    async def delete_flag(self, flag_id: str, *, expected: Flag | None = None) -> None:
        """Deletes a flag and its files; ``expected`` as for :meth:`judge`."""
        await self._transport.do(calls.delete_flag(flag_id, expected=expected))

    async def download_flag_file(self, flag_id: str, name: str, path: Path | str) -> None:
        """Writes a file of a flag to ``path``.

        Raises:
            OutputError: the file cannot be written.
        """
        await self._transport.download(calls.get_file("flags", flag_id, "files", name), Path(path))

    async def export_flags(self, ids: Iterable[str], path: Path | str, *, blur: bool = False) -> None:
        """Writes a bundle of flags to ``path``; ``blur`` hides all faces but the flagged ones.

        Raises:
            OutputError: the file cannot be written.
        """
        await self._transport.download(calls.export_flags(list(ids), blur=blur), Path(path))

    def streams(self) -> AsyncIterator[StreamAnswer]:
        """All streams with their state."""
        return self._transport.pages(calls.list_streams)

    async def stream(self, stream_id: str) -> StreamAnswer:
        """One stream with its state."""
        return await self._transport.do(calls.get_stream(stream_id))

    async def add_stream(self, url: str, *, name: str = "", repeat: bool = False) -> StreamAnswer:
        """Watches another source, also after a restart of the server; this needs the role admin.

        Args:
            name: display name; "" for the masked address.
            repeat: restart a file at its end.
        """
        return await self._transport.do(calls.add_stream(url, name=name, repeat=repeat))

    async def rename_stream(self, stream_id: str, name: str) -> StreamAnswer:
        """Gives a stream another name; "" for its masked address."""
        return await self._transport.do(calls.change_stream(stream_id, name=name))

    async def pause_stream(self, stream_id: str) -> StreamAnswer:
        """Pauses a stream."""
        return await self._transport.do(calls.change_stream(stream_id, paused=True))

    async def resume_stream(self, stream_id: str) -> StreamAnswer:
        """Continues a paused stream, or restarts one that failed or ended."""
        return await self._transport.do(calls.change_stream(stream_id, paused=False))

    async def remove_stream(self, stream_id: str) -> None:
        """Stops watching a source; its flags stay."""
        await self._transport.do(calls.remove_stream(stream_id))

    async def picture(self, stream_id: str) -> bytes:
        """The newest picture of a stream, JPEG."""
        return await self._transport.do(calls.get_picture(stream_id))

    def verdicts(
        self, stream_id: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[VerdictPointAnswer]:
        """The verdicts of the last hours on each face of a stream, the oldest first, read page by page."""
        return self._transport.pages(
            lambda cursor: calls.get_verdicts(stream_id, since=since, until=until, cursor=cursor)
        )

    async def model(self) -> ModelAnswer:
        """The model cards of the running classifiers."""
        return await self._transport.do(calls.get_model())

    async def system(self) -> SystemAnswer:
        """The state of the server."""
        return await self._transport.do(calls.get_system())

    def events(
        self, *, types: Iterable[str] = (), streams: Iterable[str] = (), last_event_id: str = ""
    ) -> AsyncIterator[ServerEvent]:
        """The events of all streams, from now on; after a lost connection, those since the last one.

        Args:
            types: e.g. "label_changed"; empty: all.
            streams: their ids; empty: all.
            last_event_id: ``id`` of the last event that was handled; the server still has the latest ones.
        """
        return self._transport.events(calls.get_events(types, streams), last_event_id=last_event_id)
