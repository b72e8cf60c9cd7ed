"""What machines ask of the server: is it alive, can it work, what has it counted.

They have no token. They are answered on this machine, and in the networks that ``dashboard.metrics_from`` names;
whoever comes through a proxy is not taken for this machine. Streamlit's own ``/_stcore/health`` only says that pages
are served.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from monitor.errors import MonitorError
from monitor.flags.queries import FlagQuery
from monitor.runtime import StreamState
from monitor.server import service
from monitor.server.auth.client_address import came_directly, cannot_be_taken, is_near
from monitor.server.metrics import MetricsSnapshot, StreamSnapshot, rendered
from monitor.system.logs import mask_text
from monitor.types import Origin

LEAST_FREE: Final = 256 << 20  # bytes of disk: some dozen clips
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One thing that has to be well."""

    name: str
    well: bool
    why: str


def checks(here: service.MonitorService) -> Iterator[HealthCheck]:
    """What has to be well for the server to do its work; waits for the disk."""
    loaded, beat = here.loaded, here.heartbeat.last
    yield HealthCheck("engines", loaded is not None, "not loaded yet" if loaded is None else loaded.choice.reason)
    yield HealthCheck("heartbeat", beat is not None and beat.healthy, "none yet" if beat is None else beat.why)
    yield _writable(here)
    free = here.archive.free
    yield HealthCheck("disk", free >= LEAST_FREE, f"{free >> 20} MB are free, {LEAST_FREE >> 20} are needed")
    for channel in here.channels:
        status = channel.status
        yield HealthCheck(f"source {channel.id}", status.state is not StreamState.FAILED, status.reason or status.state)


def snapshot(here: service.MonitorService) -> MetricsSnapshot:
    """What there is to count, now; waits for the disk.

    Raises:
        StoreError: the database does not answer.
    """
    archive = here.archive
    return MetricsSnapshot(
        sources=[
            StreamSnapshot(
                id=channel.id,
                name=mask_text(channel.name),
                status=channel.status,
                totals=channel.tally.totals,
                faces=channel.tally.faces,
                viewers=channel.hub.viewers,
                hints=channel.tally.hints,
            )
            for channel in here.channels
        ],
        engines=here.loaded,
        beat=here.heartbeat.last,
        load=here.load.level,
        flags={
            (origin.value, reviewed): archive.store.count(FlagQuery(origin=origin, reviewed=reviewed))
            for origin in Origin
            for reviewed in (False, True)
        },
        stored=archive.size,
        free=archive.free,
        jobs={"clips": here.clips_waiting, "analyses": here.analyses.waiting},
    )


async def healthz(request: Request) -> Response:
    """The process is alive and its event loop turns."""
    return PlainTextResponse("ok\n", headers=_HEADERS) if _near(request) else _refused()


async def readyz(request: Request) -> Response:
    """Whether all is well, and what is not: 200 or 503."""
    if not _near(request):
        return _refused()
    found = await asyncio.to_thread(lambda: list(checks(service.current())))
    ready = all(check.well for check in found)
    told = {"ready": ready, "checks": [asdict(check) | {"why": mask_text(check.why)} for check in found]}
    return JSONResponse(told, status_code=200 if ready else 503, headers=_HEADERS)


async def metrics(request: Request) -> Response:
    """All that is counted, as Prometheus reads it."""
    if not _near(request):
        return _refused()

    def told() -> tuple[bytes, str]:
        return rendered(snapshot(service.current()), accept=request.headers.get("accept", ""))

    try:
        content, content_type = await asyncio.to_thread(told)
    except MonitorError as error:
        return PlainTextResponse(f"{mask_text(str(error))}\n", status_code=503, headers=_HEADERS)
    return Response(content, headers=_HEADERS | {"Content-Type": content_type})


def _writable(here: service.MonitorService) -> HealthCheck:
    try:
        here.archive.require_writable()
    except MonitorError as error:
        return HealthCheck("storage", well=False, why=str(error))
    return HealthCheck("storage", well=True, why="flags and files can be written")


def _near(request: Request) -> bool:
    """Whether a request comes from where machines may ask."""
    allowed = service.current().settings.dashboard.metrics_from
    direct = came_directly(request) and cannot_be_taken(request.url.hostname or "")
    return is_near(request.client, allowed=allowed, direct=direct)


def _refused() -> Response:
    why = "only this machine, and networks that the setting dashboard.metrics_from names, may ask\n"
    return PlainTextResponse(why, status_code=403, headers=_HEADERS)


HEALTH_ROUTES: Final = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
