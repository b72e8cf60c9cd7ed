"""Routes for programs: liveness (``/healthz``), readiness (``/readyz``) and metrics (``/metrics``).

They need no token. They answer this machine and the networks of the setting ``dashboard.metrics_from``; a request
through a proxy does not count as this machine. Streamlit's own ``/_stcore/health`` shows only that pages are served.
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
from monitor.server.auth.client_address import is_allowed_client, is_direct, is_rebinding_safe
from monitor.server.metrics import MetricsSnapshot, StreamSnapshot, render
from monitor.server.notify import CountingOutlet
from monitor.system.logs import mask_text
from monitor.types import Origin

MIN_FREE: Final = 256 << 20  # bytes of free disk: room for some dozen clips
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """The result of one health check."""

    name: str
    well: bool
    why: str


def checks(monitor_service: service.MonitorService) -> Iterator[HealthCheck]:
    """Runs all readiness checks; reads the disk, so do not call it on the event loop."""
    loaded, beat = monitor_service.loaded, monitor_service.heartbeat.last
    yield HealthCheck("engines", loaded is not None, "not loaded yet" if loaded is None else loaded.choice.reason)
    yield HealthCheck("heartbeat", beat is not None and beat.healthy, "none yet" if beat is None else beat.why)
    yield _writable(monitor_service)
    free = monitor_service.archive.free
    yield HealthCheck("disk", free >= MIN_FREE, f"{free >> 20} MB are free, {MIN_FREE >> 20} are needed")
    nodes = monitor_service.nodes
    if nodes:
        ready = sum(node.state == "ready" for node in nodes)
        yield HealthCheck("nodes", ready > 0, f"{ready} of {len(nodes)} nodes take streams")
    for stream in monitor_service.streams:
        status = stream.status
        is_watched = status.state not in (StreamState.FAILED, StreamState.WAITING)
        node = f" (node {stream.node})" if stream.node else ""
        yield HealthCheck(f"source {stream.id}", is_watched, f"{status.reason or status.state}{node}")


def snapshot(monitor_service: service.MonitorService) -> MetricsSnapshot:
    """The current values of all metrics; reads the disk, so do not call it on the event loop.

    Raises:
        StoreError: the database does not answer.
    """
    archive = monitor_service.archive
    return MetricsSnapshot(
        sources=[
            StreamSnapshot(
                id=stream.id,
                name=mask_text(stream.name),
                status=stream.status,
                totals=stream.metrics.totals,
                faces=stream.metrics.faces,
                viewers=stream.broadcaster.viewers,
                hints=stream.metrics.hints,
                node=stream.node,
            )
            for stream in monitor_service.streams
        ],
        engines=monitor_service.loaded,
        beat=monitor_service.heartbeat.last,
        load=monitor_service.load.level,
        flags={
            (origin.value, reviewed): archive.store.count(FlagQuery(origin=origin, reviewed=reviewed))
            for origin in Origin
            for reviewed in (False, True)
        },
        stored=archive.size,
        free=archive.free,
        jobs={"clips": monitor_service.clips_waiting, "analyses": monitor_service.analyses.waiting},
        outlets=[
            count
            for outlet in monitor_service.outlets
            if isinstance(outlet, CountingOutlet)
            for count in outlet.counts()
        ],
        nodes=monitor_service.nodes,
    )


async def healthz(request: Request) -> Response:
    """Answers 200 while the event loop runs."""
    return PlainTextResponse("ok\n", headers=_HEADERS) if _is_allowed(request) else _deny()


async def readyz(request: Request) -> Response:
    """Answers 200 if all checks pass, else 503, with the results of all checks."""
    if not _is_allowed(request):
        return _deny()
    results = await asyncio.to_thread(lambda: list(checks(service.current())))
    ready = all(check.well for check in results)
    content = {"ready": ready, "checks": [asdict(check) | {"why": mask_text(check.why)} for check in results]}
    return JSONResponse(content, status_code=200 if ready else 503, headers=_HEADERS)


async def metrics(request: Request) -> Response:
    """All metrics in Prometheus's text format."""
    if not _is_allowed(request):
        return _deny()

    def render_now() -> tuple[bytes, str]:
        return render(snapshot(service.current()), accept=request.headers.get("accept", ""))

    try:
        content, content_type = await asyncio.to_thread(render_now)
    except MonitorError as error:
        return PlainTextResponse(f"{mask_text(str(error))}\n", status_code=503, headers=_HEADERS)
    return Response(content, headers=_HEADERS | {"Content-Type": content_type})


def _writable(monitor_service: service.MonitorService) -> HealthCheck:
    try:
        monitor_service.archive.require_writable()
    except MonitorError as error:
        return HealthCheck("storage", well=False, why=str(error))
    return HealthCheck("storage", well=True, why="flags and files can be written")


def _is_allowed(request: Request) -> bool:
    """Whether a request comes from this machine or an allowed network."""
    networks = service.current().settings.dashboard.metrics_from
    direct = is_direct(request) and is_rebinding_safe(request.url.hostname or "")
    return is_allowed_client(request.client, networks=networks, direct=direct)


def _deny() -> Response:
    reason = "not allowed: only this machine and the networks of the setting dashboard.metrics_from have access\n"
    return PlainTextResponse(reason, status_code=403, headers=_HEADERS)


HEALTH_ROUTES: Final = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
