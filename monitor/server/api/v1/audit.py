"""The audit log: ``/audit``."""

import asyncio
from dataclasses import asdict
from typing import Final

from fastapi import APIRouter, Request, Response

from monitor.server import service
from monitor.server.api.answers import AuditLine, AuditList
from monitor.server.api.authentication import require
from monitor.server.api.caching import answer
from monitor.server.api.paging import Page, cut
from monitor.server.auth.user import Role

router: Final = APIRouter(tags=["audit"])


@router.get(
    "/audit",
    response_model=AuditList,
    dependencies=[require(Role.ADMIN, scope="system")],
    summary="The audit log, the newest line first",
)
async def list_audit(request: Request, paging: Page) -> Response:
    """The actions of users and programs, with their addresses."""
    after = paging.position(int)
    before = None if after is None else int(after[0])
    entries = await asyncio.to_thread(service.current().audit.last, paging.limit + 1, before=before)
    kept, cursor = cut(entries, paging, position=lambda entry: (entry.number,))
    lines = [AuditLine.model_validate(asdict(entry)) for entry in kept]
    return answer(request, AuditList(items=lines, next=cursor))
