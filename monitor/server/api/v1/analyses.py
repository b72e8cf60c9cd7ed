"""The analyses of uploaded files: ``/analyses``."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import FileResponse

from monitor.errors import ConflictError, OutputError
from monitor.results.formats import REPORT_FILE
from monitor.server import sent_files, service
from monitor.server.api.analysis_answers import (
    AnalysisAnswer,
    AnalysisPageAnswer,
    AnalysisRequest,
    ResultFileAnswer,
    ResultFilesAnswer,
)
from monitor.server.api.authentication import Caller, require
from monitor.server.api.caching import HEADERS, answer, answer_bytes, answer_file
from monitor.server.api.paging import Page, cut
from monitor.server.api.problems import describe_errors
from monitor.server.auth.user import Role
from monitor.server.idempotency_keys import LONGEST, CompletedRequest
from monitor.server.upload_body import receive_body
from monitor.server.uploads import Upload, UploadState
from monitor.system.masking import mask

router: Final = APIRouter(tags=["analyses"])

_VIEWER: Final = [require(Role.VIEWER, scope="analyses")]
Reviewer = Annotated[Caller, require(Role.REVIEWER, scope="analyses")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=LONGEST,
        description="The same key within 24 hours: the request is done once, and the answer is that of the first one.",
    ),
]
_MAX_JSON: Final = 1 << 16  # bytes
_JSON, _FILE = "application/json", "application/octet-stream"
_REFERENCE: Final = {"$ref": "#/components/schemas/AnalysisRequest"}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {_JSON: {"schema": _REFERENCE}, _FILE: {"schema": {"type": "string", "format": "binary"}}},
    }
}
_NOT_FOUND: Final = describe_errors({404: "There is no such analysis, or no such file."})
_CONFLICT: Final = {**_NOT_FOUND, **describe_errors({409: "The state of the analysis does not allow this."})}
_CREATED: Final = describe_errors(
    {
        409: "A request with this Idempotency-Key still runs: repeat it after the seconds of Retry-After.",
        413: "The JSON body is too large.",
        507: "The file cannot be stored.",
    }
)


@router.post(
    "/analyses",
    response_model=AnalysisAnswer,
    status_code=202,
    summary="Analyse a file or the file of an address",
    responses=_CREATED,
    openapi_extra=_BODY,
    max_body_size=1 << 50,  # the setting dashboard.max_upload_megabytes limits a file
)
async def create_analysis(
    request: Request,
    caller: Reviewer,
    name: Annotated[str, Query(max_length=500, description="Of the file, if the body is a file.")] = "",
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """The body is a file (application/octet-stream), or names an address, which only an administrator may do."""
    submission = _Submission(request, caller, name=name, key=idempotency_key)
    analysis = await submission.accept()
    return answer(request, to_answer(analysis), status=202, headers={"Location": f"analyses/{analysis.id}"})


class _Submission:
    """One request for an analysis, done once per idempotency key."""

    def __init__(self, request: Request, caller: Caller, *, name: str, key: str | None) -> None:
        self._request, self._caller, self._name, self._key = request, caller, name, key
        self._service = service.current()
        self._owner = "" if caller.key is None else caller.key.id
        self._kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        self._digest = hashlib.sha256(f"{self._kind}\n{name}\n".encode())

    async def accept(self) -> Upload:
        """The analysis of the request, new or of an earlier request with the same key."""
        if self._kind not in (_JSON, _FILE):
            raise HTTPException(415, f"the body is neither {_FILE}, a file, nor {_JSON}, an address")
        if self._key is None:
            return await self._create()
        keys = self._service.idempotency_keys
        await asyncio.to_thread(keys.hold, self._owner, self._key)
        try:
            done = await asyncio.to_thread(keys.find, self._owner, self._key)
            earlier = None if done is None else self._service.analyses.get(done.resource)
            if done is None or earlier is None:  # never done, or its analysis was deleted
                return await self._create()
            async for chunk in self._request.stream():
                self._digest.update(chunk)
            done.require_same(self._digest.hexdigest())
            return earlier
        finally:
            await asyncio.to_thread(keys.release, self._owner, self._key)

    async def _create(self) -> Upload:
        analyses = self._service.analyses
        if self._kind == _JSON:
            url = await self._read_address()
            return await asyncio.to_thread(analyses.download, url, accept=lambda one: self._record(one, mask(url)))

        async def accept(analysis_id: str) -> None:
            await asyncio.to_thread(self._record, analysis_id, Path(self._name).name)

        analysis_id, _ = await receive_body(
            self._request, analyses, name=self._name, accept=accept, on_chunk=self._digest.update
        )
        return _find(analysis_id)

    async def _read_address(self) -> str:
        if self._caller.role < Role.ADMIN:
            raise HTTPException(403, "only a key with the role admin may name an address: upload the file instead")
        content = b""
        async for chunk in self._request.stream():
            content += chunk
            if len(content) > _MAX_JSON:
                raise HTTPException(413, "the body is too large: it holds one address")
        self._digest.update(content)
        try:
            return AnalysisRequest.model_validate_json(content).url
        except ValidationError as error:
            found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
            raise RequestValidationError(found) from None

    def _record(self, analysis_id: str, what: str) -> None:
        """Writes the audit log and the idempotency key, before the analysis is queued."""
        caller = self._caller
        self._service.audit.note("uploaded", person=caller.actor, what=what, client=caller.client)
        if self._key is not None:
            done = CompletedRequest(self._digest.hexdigest(), analysis_id)
            self._service.idempotency_keys.remember(self._owner, self._key, done)


@router.get(
    "/analyses", response_model=AnalysisPageAnswer, dependencies=_VIEWER, summary="The analyses, the newest first"
)
async def list_analyses(request: Request, paging: Page) -> Response:
    """Each with its state and its label."""
    position = paging.position(str)
    uploads = service.current().analyses.all
    following = uploads if position is None else _after(uploads, str(position[0]))
    items, cursor = cut(following, paging, position=lambda upload: (upload.id,))
    return answer(request, AnalysisPageAnswer(items=[to_answer(upload) for upload in items], next=cursor))


@router.get(
    "/analyses/{analysis_id}",
    response_model=AnalysisAnswer,
    dependencies=_VIEWER,
    summary="The state of an analysis",
    responses=_NOT_FOUND,
)
async def read_analysis(request: Request, analysis_id: str) -> Response:
    """Its progress while it runs, its label after the end."""
    return answer(request, to_answer(_find(analysis_id)))


@router.get(
    "/analyses/{analysis_id}/report",
    dependencies=_VIEWER,
    summary="The report of a finished analysis",
    responses={**_CONFLICT, 200: {"content": {_JSON: {"schema": {"type": "object"}}}}},
    response_class=Response,
)
async def read_report(request: Request, analysis_id: str) -> Response:
    """The content of report.json; its keys are on the page JSON and CSV of the documentation."""
    content = await asyncio.to_thread(lambda: (_results(analysis_id) / REPORT_FILE).read_bytes())
    return answer_bytes(request, content, media_type=_JSON)


@router.get(
    "/analyses/{analysis_id}/files",
    response_model=ResultFilesAnswer,
    dependencies=_VIEWER,
    summary="The result files of a finished analysis",
    responses=_CONFLICT,
)
async def list_result_files(request: Request, analysis_id: str) -> Response:
    """Report, timeline, videos and key frames."""
    return answer(request, ResultFilesAnswer(items=await asyncio.to_thread(_list_files, analysis_id)))


@router.get(
    "/analyses/{analysis_id}/files/{name}",
    response_class=FileResponse,
    dependencies=_VIEWER,
    summary="A result file",
    responses=_CONFLICT,
)
async def read_result_file(request: Request, analysis_id: str, name: str) -> Response:
    """Byte ranges are supported. `report.html` is a page to print."""
    folder = await asyncio.to_thread(_results, analysis_id)
    try:
        return answer_file(request, await asyncio.to_thread(sent_files.result_file, folder, name))
    except OutputError as error:
        raise HTTPException(404, str(error)) from None


@router.post(
    "/analyses/{analysis_id}/cancel", response_model=AnalysisAnswer, summary="Cancel an analysis", responses=_CONFLICT
)
async def cancel_analysis(request: Request, caller: Reviewer, analysis_id: str) -> Response:
    """The file stays; an analysis that was cancelled already stays so."""
    analysis = _find(analysis_id)
    if not analysis.state.over:
        await caller.audit("analysis cancelled", analysis.name)
        await asyncio.to_thread(service.current().analyses.cancel, analysis_id)
    elif analysis.state is not UploadState.CANCELLED:
        raise ConflictError(f"the analysis of {analysis.name} has ended already: it is {analysis.state}")
    return answer(request, to_answer(_find(analysis_id)))


@router.delete(
    "/analyses/{analysis_id}", status_code=204, summary="Delete a file and its results", responses=_NOT_FOUND
)
async def delete_analysis(caller: Reviewer, analysis_id: str) -> Response:
    """A running analysis ends; flags of the file stay."""
    analysis = _find(analysis_id)
    await caller.audit("upload removed", analysis.name)
    await asyncio.to_thread(service.current().analyses.remove, analysis_id)
    return Response(status_code=204, headers=HEADERS)


def to_answer(upload: Upload) -> AnalysisAnswer:
    """The answer about an upload."""
    return AnalysisAnswer(
        id=upload.id,
        name=upload.name,
        created_at=upload.created_at,
        state=upload.state.value,
        progress=upload.progress,
        label=upload.label,
        why=upload.why,
        error=upload.error or None,
    )


def _find(analysis_id: str) -> Upload:
    upload = service.current().analyses.get(analysis_id)
    if upload is None:
        raise HTTPException(404, f"there is no analysis {analysis_id[:80]}: GET /analyses lists all analyses")
    return upload


def _results(analysis_id: str) -> Path:
    """The folder of the results.

    Raises:
        HTTPException: 404, there is no such analysis.
        ConflictError: it has no results yet, or failed.
    """
    upload = _find(analysis_id)
    folder = service.current().analyses.results(analysis_id) if upload.state.over else None
    if folder is None:
        because = f": {upload.why}" if upload.why else "" if upload.state.over else ": wait until it is done"
        raise ConflictError(f"the analysis of {upload.name} has no results, it is {upload.state}{because}")
    return folder


def _list_files(analysis_id: str) -> list[ResultFileAnswer]:
    files = [path for path in sorted(_results(analysis_id).iterdir()) if path.is_file()]
    return [ResultFileAnswer(name=path.name, bytes=path.stat().st_size) for path in files]


def _after(uploads: Sequence[Upload], analysis_id: str) -> Sequence[Upload]:
    """The uploads after one in the list, also if that one was deleted meanwhile: ids sort by time."""
    ids = [upload.id for upload in uploads]
    if analysis_id in ids:
        return uploads[ids.index(analysis_id) + 1 :]
    return [upload for upload in uploads if upload.id < analysis_id]
