"""The subscriptions of other programs: ``/webhooks``."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from monitor.server import service
from monitor.server.api.authentication import Caller, require
from monitor.server.api.caching import answer
from monitor.server.api.paging import Page, cut
from monitor.server.api.webhook_answers import (
    AttemptAnswer,
    DeliveryAnswer,
    DeliveryList,
    NewWebhookAnswer,
    RetryAnswer,
    WebhookAnswer,
    WebhookList,
)
from monitor.server.auth.user import Role
from monitor.server.notify.webhooks.outbox import DeliveryState, WebhookOutbox
from monitor.server.notify.webhooks.sender import send_test
from monitor.server.notify.webhooks.store import WebhookStore
from monitor.server.notify.webhooks.subscription import (
    DEFAULT_TYPES,
    OfferedType,
    WebhookFilters,
    WebhookSubscription,
)
from monitor.types import Label

router: Final = APIRouter(tags=["webhooks"])

NOT_FOUND: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "There is no webhook with this id."}}
_NUMBER: Final = 2**53 - 1  # the largest whole number that every JSON reader keeps

WebhookId = Annotated[str, Path(pattern="^[0-9a-f]{8}$", description="The id of a webhook, from /webhooks.")]
Administrator = Annotated[Caller, require(Role.ADMIN, scope="webhooks")]
_READS: Final = [require(Role.ADMIN, scope="webhooks")]
StreamFilter = Annotated[str, Field(max_length=500)]
DeliveryNumber = Annotated[int, Field(ge=1, le=_NUMBER)]


class NewFilters(BaseModel):
    """The events that a subscription receives; an empty filter passes everything."""

    model_config = ConfigDict(extra="forbid")

    streams: list[StreamFilter] = Field(
        default_factory=list, max_length=50, description="Display names, masked addresses or ids of streams."
    )
    labels: list[Label] = Field(default_factory=list, max_length=10, description="Of events that have a label.")
    min_probability: float | None = Field(None, ge=0, le=1, description="Of P(fake), for events that have a label.")
    min_confidence: float | None = Field(None, ge=0, le=1, description="Calibrated probability of the label.")


class NewWebhook(BaseModel):
    """A subscription to create."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2000, description="https://, or http:// in private networks if the settings allow it.")
    name: str = Field("", max_length=80)
    types: list[OfferedType] = Field(
        default_factory=lambda: list(DEFAULT_TYPES), min_length=1, max_length=20, description="Types of events."
    )
    filters: NewFilters = NewFilters()


class WebhookChange(BaseModel):
    """A change of a subscription."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = Field(description="false: no event is sent, or kept for later.")


class RetryRequest(BaseModel):
    """The deliveries to attempt again."""

    model_config = ConfigDict(extra="forbid")

    numbers: list[DeliveryNumber] = Field(
        default_factory=list, max_length=1000, description="Empty: all dead letters and all that wait."
    )


@router.get("/webhooks", response_model=WebhookList, dependencies=_READS, summary="All webhooks, the oldest first")
async def list_webhooks(request: Request, paging: Page) -> Response:
    """The subscriptions without their secrets."""
    after = paging.position(str, str)
    subscriptions = await asyncio.to_thread(_store().all)
    counts = await asyncio.to_thread(_outbox().counts)
    rest = [one for one in subscriptions if after is None or _position(one) > after]
    kept, cursor = cut(rest, paging, position=_position)
    items = [WebhookAnswer(**_values(one), deliveries=_by_state(counts.get(one.id))) for one in kept]
    return answer(request, WebhookList(items=items, next=cursor))


@router.post("/webhooks", response_model=NewWebhookAnswer, status_code=201, summary="Create a webhook")
async def create_webhook(request: Request, body: NewWebhook, caller: Administrator) -> Response:
    """The answer holds the secret, which nobody can read again."""
    filters = WebhookFilters(
        streams=tuple(body.filters.streams),
        labels=tuple(body.filters.labels),
        min_probability=body.filters.min_probability,
        min_confidence=body.filters.min_confidence,
    )
    store = _store()
    one = await asyncio.to_thread(store.draft, body.url, name=body.name, types=body.types, filters=filters)
    await caller.audit("webhook added", f"{one.id}: {one.title}")
    await asyncio.to_thread(store.save, one)
    return answer(
        request,
        NewWebhookAnswer(**_values(one), deliveries=_by_state(None), secret=one.secret),
        status=201,
        headers={"Location": f"webhooks/{one.id}", "Cache-Control": "private, no-store"},
    )


@router.get(
    "/webhooks/{webhook_id}",
    response_model=WebhookAnswer,
    dependencies=_READS,
    responses=NOT_FOUND,
    summary="One webhook",
)
async def read_webhook(request: Request, webhook_id: WebhookId) -> Response:
    """The subscription without its secret."""
    return answer(request, await _describe(await asyncio.to_thread(_store().find, webhook_id)))


@router.patch(
    "/webhooks/{webhook_id}", response_model=WebhookAnswer, responses=NOT_FOUND, summary="Enable or disable a webhook"
)
async def change_webhook(
    request: Request, webhook_id: WebhookId, body: WebhookChange, caller: Administrator
) -> Response:
    """Events of the time in which it is disabled are not sent later."""
    store = _store()
    one = await asyncio.to_thread(store.find, webhook_id)
    await caller.audit("webhook enabled" if body.enabled else "webhook disabled", f"{one.id}: {one.title}")
    if body.enabled:
        one = await asyncio.to_thread(store.enable, webhook_id)
    else:
        one = await asyncio.to_thread(store.disable, webhook_id, why="an administrator disabled it")
    return answer(request, await _describe(one))


@router.delete("/webhooks/{webhook_id}", status_code=204, responses=NOT_FOUND, summary="Remove a webhook")
async def remove_webhook(webhook_id: WebhookId, caller: Administrator) -> Response:
    """Its deliveries are deleted, too."""
    store = _store()
    one = await asyncio.to_thread(store.find, webhook_id)
    await caller.audit("webhook removed", f"{one.id}: {one.title}")
    await asyncio.to_thread(store.remove, webhook_id)
    return Response(status_code=204)


@router.post(
    "/webhooks/{webhook_id}/test", response_model=AttemptAnswer, responses=NOT_FOUND, summary="Send a test message"
)
async def send_webhook_test(request: Request, webhook_id: WebhookId, caller: Administrator) -> Response:
    """A message of the type `webhook_test`, also to a disabled webhook; the answer waits for the receiver."""
    one = await asyncio.to_thread(_store().find, webhook_id)
    attempt = await asyncio.to_thread(send_test, one, service.current().settings.webhooks)
    await caller.audit("webhook tested", f"{one.id}: {one.title}: {attempt.error or 'accepted'}")
    return answer(
        request,
        AttemptAnswer(
            accepted=attempt.accepted, status=attempt.status, error=attempt.error, seconds=round(attempt.seconds, 3)
        ),
    )


@router.get(
    "/webhooks/{webhook_id}/deliveries",
    response_model=DeliveryList,
    dependencies=_READS,
    responses=NOT_FOUND,
    summary="Deliveries of a webhook, the newest first",
)
async def list_deliveries(
    request: Request,
    webhook_id: WebhookId,
    paging: Page,
    state: Annotated[DeliveryState | None, Query(description="Only these; dead: the dead letters.")] = None,
) -> Response:
    """The waiting deliveries, the latest accepted ones, and the dead letters; without bodies."""
    await asyncio.to_thread(_store().find, webhook_id)
    after = paging.position(int)
    before = None if after is None else int(after[0])
    found = await asyncio.to_thread(_outbox().last, paging.limit + 1, webhook=webhook_id, state=state, before=before)
    kept, cursor = cut(found, paging, position=lambda one: (one.number,))
    items = [DeliveryAnswer.model_validate(one.to_dict()) for one in kept]
    return answer(request, DeliveryList(items=items, next=cursor))


@router.post(
    "/webhooks/{webhook_id}/retry", response_model=RetryAnswer, responses=NOT_FOUND, summary="Retry dead letters now"
)
async def retry_deliveries(
    request: Request, webhook_id: WebhookId, body: RetryRequest, caller: Administrator
) -> Response:
    """Dead letters wait again, before all later events of their stream; the pauses of waiting deliveries end."""
    one = await asyncio.to_thread(_store().find, webhook_id)
    await caller.audit("webhook retried", f"{one.id}: {len(body.numbers) or 'all'} deliveries")
    queued = await asyncio.to_thread(_outbox().retry, webhook=webhook_id, numbers=body.numbers)
    return answer(request, RetryAnswer(queued=queued))


def _store() -> WebhookStore:
    now = service.current()
    return WebhookStore(now.archive.store.database, now.settings.webhooks)


def _outbox() -> WebhookOutbox:
    return WebhookOutbox(service.current().archive.store.database)


async def _describe(one: WebhookSubscription) -> WebhookAnswer:
    counts = await asyncio.to_thread(_outbox().counts)
    return WebhookAnswer(**_values(one), deliveries=_by_state(counts.get(one.id)))


def _values(one: WebhookSubscription) -> dict[str, Any]:
    return one.to_dict() | {"created_at": one.created_at}


def _by_state(counts: Mapping[DeliveryState, int] | None) -> dict[str, int]:
    return {state.value: (counts or {}).get(state, 0) for state in DeliveryState}


def _position(one: WebhookSubscription) -> tuple[str, str]:
    return one.created_at.isoformat(), one.id
