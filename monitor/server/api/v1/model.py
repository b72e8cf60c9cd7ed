"""The model cards: ``/model``."""

from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response

from monitor.server import service
from monitor.server.api.answers import ModelAnswer
from monitor.server.api.authentication import require
from monitor.server.api.caching import answer
from monitor.server.auth.user import Role

router: Final = APIRouter(tags=["model"])


@router.get(
    "/model",
    response_model=ModelAnswer,
    dependencies=[require(Role.VIEWER, scope="model")],
    summary="The model cards of the running classifiers",
)
async def read_model(request: Request) -> Response:
    """The training data of the classifiers, their measured accuracy, and the material on which they are at chance."""
    monitor_service = service.current()
    engines, verdict = monitor_service.loaded, monitor_service.settings.verdict
    if engines is None:
        raise HTTPException(503, "the engines are not loaded yet: ask again in some seconds", {"Retry-After": "5"})
    committee = engines.committee
    card = ModelAnswer(
        id=committee.id,
        preset=str(verdict.preset),
        thresholds={
            "suspicious_at": verdict.suspicious_at,
            "fake_at": verdict.fake_at,
            "real_at": verdict.real_at,
        },
        committee=None if committee.card is None else committee.card.model_dump(mode="json"),
        cards=[classifier.card.model_dump(mode="json") for classifier in committee.classifiers],
    )
    return answer(request, card)
