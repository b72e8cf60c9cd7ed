"""The API keys: ``/keys``. A key that is limited to scopes may not ask, because it could make one without limits."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from monitor.server import service
from monitor.server.api.answers import KeyAnswer, KeyList, NewKeyAnswer
from monitor.server.api.authentication import Caller, require
from monitor.server.api.caching import answer
from monitor.server.api.paging import Page, cut
from monitor.server.api.problems import describe_errors
from monitor.server.auth.api_keys import ApiKey, Scope, describe_key, draft_key
from monitor.server.auth.user import Role

router: Final = APIRouter(tags=["keys"])


class NewKey(BaseModel):
    """A key to create."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=80, description="Of the program that uses it.")
    role: Role = Role.VIEWER
    scopes: list[Scope] = Field(default_factory=list, max_length=20, description="Empty: all.")
    expires_at: AwareDatetime | None = Field(None, description="None: never.")


@router.get(
    "/keys",
    response_model=KeyList,
    dependencies=[require(Role.ADMIN, scope=None)],
    summary="All API keys, the oldest first",
)
async def list_keys(request: Request, paging: Page) -> Response:
    """The keys without their secrets."""
    after = paging.position(str, str)
    keys = await asyncio.to_thread(service.current().api_keys.all)
    rest = [key for key in keys if after is None or _position(key) > after]
    kept, cursor = cut(rest, paging, position=_position)
    return answer(request, KeyList(items=[KeyAnswer.model_validate(key.to_dict()) for key in kept], next=cursor))


@router.post("/keys", response_model=NewKeyAnswer, status_code=201, summary="Create an API key")
async def create_key(
    request: Request, body: NewKey, caller: Annotated[Caller, require(Role.ADMIN, scope=None)]
) -> Response:
    """The answer holds the secret, which nobody can read again."""
    key = draft_key(body.name, role=body.role, scopes=body.scopes, expires_at=body.expires_at)
    await caller.audit("key added", describe_key(key))
    text = await asyncio.to_thread(service.current().api_keys.add, key)
    return answer(
        request,
        NewKeyAnswer.model_validate({**key.to_dict(), "key": text}),
        status=201,
        headers={"Cache-Control": "private, no-store"},
    )


@router.delete(
    "/keys/{key_id}",
    status_code=204,
    responses=describe_errors({404: "There is no key with this id."}),
    summary="Remove an API key",
)
async def remove_key(
    key_id: Annotated[str, Path(pattern="^[0-9a-f]{12}$", description="The id of a key, from /keys.")],
    caller: Annotated[Caller, require(Role.ADMIN, scope=None)],
) -> Response:
    """The key is refused from now on."""
    keys = service.current().api_keys
    key = next((key for key in await asyncio.to_thread(keys.all) if key.id == key_id), None)
    if key is None:
        raise HTTPException(404, "there is no key with this id: /keys lists all keys")
    await caller.audit("key removed", describe_key(key))
    await asyncio.to_thread(keys.remove, key_id)
    return Response(status_code=204)


def _position(key: ApiKey) -> tuple[str, str]:
    return key.created_at.isoformat(), key.id
