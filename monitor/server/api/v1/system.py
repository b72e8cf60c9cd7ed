"""The state of the server: ``/system``."""

import asyncio
from typing import Final

from fastapi import APIRouter, Request, Response

from monitor import __version__
from monitor.server import service
from monitor.server.api.answers import EngineAnswer, HeartbeatAnswer, NodeAnswer, SystemAnswer
from monitor.server.api.authentication import require
from monitor.server.api.caching import answer
from monitor.server.auth.user import Role
from monitor.system.logs import mask_text

router: Final = APIRouter(tags=["system"])


@router.get(
    "/system",
    response_model=SystemAnswer,
    dependencies=[require(Role.ADMIN, scope="system")],
    summary="Version, engine, load, storage and failures",
)
async def read_system(request: Request) -> Response:
    """The state of the server now. Reads the disk: ask every few seconds at most."""
    return answer(request, await asyncio.to_thread(_system, service.current()))


def _system(monitor_service: service.MonitorService) -> SystemAnswer:
    engines, beat, archive = monitor_service.loaded, monitor_service.heartbeat.last, monitor_service.archive
    return SystemAnswer(
        version=__version__,
        engine=None
        if engines is None
        else EngineAnswer(
            name=engines.scorer.engine.name, model=engines.committee.id, reason=mask_text(engines.choice.reason)
        ),
        heartbeat=None if beat is None else HeartbeatAnswer(at=beat.at, healthy=beat.healthy, why=mask_text(beat.why)),
        load=str(monitor_service.load.cadence),
        load_level=monitor_service.load.level,
        streams=len(monitor_service.streams),
        flags=archive.store.count(),
        free_bytes=archive.free,
        used_bytes=archive.size,
        clips_waiting=monitor_service.clips_waiting,
        analyses_waiting=monitor_service.analyses.waiting,
        observer_failures={stream.id: dict(stream.observer_failures) for stream in monitor_service.streams},
        nodes=[
            NodeAnswer(
                name=node.name,
                state=mask_text(node.state),
                streams=node.streams,
                capacity=node.capacity,
                load=node.load,
                load_level=node.load_level,
                clips_waiting=node.clips_waiting,
                events_lost=dict(node.lost),
            )
            for node in monitor_service.nodes
        ],
    )
