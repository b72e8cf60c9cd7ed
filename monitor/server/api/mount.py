"""The app of the API: all routers, the description (OpenAPI) and its page."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import streamlit as st
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.datastructures import Headers
from starlette.routing import Mount
from starlette.types import Message, Receive, Scope, Send

from monitor import __version__
from monitor.server.api import API_PATH
from monitor.server.api.analysis_answers import AnalysisRequest
from monitor.server.api.authentication import DESCRIPTION, AuthenticationMiddleware, Requirement
from monitor.server.api.caching import answer
from monitor.server.api.docs_page import add_docs
from monitor.server.api.problems import TOO_LARGE, Problem, answer_errors, describe_errors, problem
from monitor.server.api.query_check import check_query
from monitor.server.api.v1 import analyses, audit, events, flags, keys, model, streams, system, verdicts, webhooks

ROUTERS: Final[tuple[APIRouter, ...]] = (  # another resource is one more router
    streams.router,
    verdicts.router,
    events.router,
    analyses.router,
    flags.router,
    model.router,
    system.router,
    audit.router,
    keys.router,
    webhooks.router,
)
_PREFIX: Final = re.compile(r"(/[\w.~-]{1,80}){1,8}/?")  # of a path that a proxy strips
_MAX_BODY: Final = 1 << 20  # bytes of a JSON body; a route for uploads has its own limit
_ABOUT: Final = (
    "Watches cameras and videos and says, for every face, whether it looks manipulated. "
    "A key comes from `deepfake-monitor people key add`, or from the page System. "
    "Times are ISO 8601 in UTC; `media_time` is seconds on the clock of the stream. "
    "Errors are problem details (RFC 9457)."
)
_ERRORS: Final = {
    401: "There is no key, or it is unknown, removed or expired.",
    403: "The role of the key is too low, or it lacks the scope.",
    415: "A change without a key has another Content-Type than JSON.",
    422: "A part of the request is invalid; `errors` names it.",
    429: "There were too many requests; Retry-After says how long to wait, in seconds.",
    503: "The database or an engine does not answer.",
}


class ApiApp(FastAPI):
    """FastAPI with the role and the scope of each path in the description."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request; also a body that is too large gets a problem."""
        await super().__call__(scope, receive, _large_body_as_problem(scope, receive, send))

    def openapi(self) -> dict[str, Any]:
        """The description of the API."""
        if self.openapi_schema is None:
            schema = super().openapi()
            schema["components"]["schemas"] |= _problem_schemas()
            schema["components"]["schemas"]["AnalysisRequest"] = AnalysisRequest.model_json_schema()
            schema["components"]["securitySchemes"] = {
                "key": {"type": "http", "scheme": "bearer", "description": "A key like dfm_0123456789ab_..."}
            }
            for path, method, requirement in requirements():
                operation = schema["paths"].get(path, {}).get(method)
                if operation is not None:
                    operation["security"] = [{"key": []}]
                    operation["x-role"] = str(requirement.role)
                    operation["x-scope"] = requirement.scope
        return self.openapi_schema or {}


def _large_body_as_problem(scope: Scope, receive: Receive, send: Send) -> Send:
    """The ``send`` that replaces the plain text with which Starlette refuses a large body."""
    replaced = False

    async def send_problem(message: Message) -> None:
        nonlocal replaced
        if message["type"] == "http.response.start" and message["status"] == 413:
            replaced = Headers(scope=message).get("content-type", "").startswith("text/plain")
        if not replaced:
            await send(message)
        elif message["type"] == "http.response.start":
            await problem(413, TOO_LARGE)(scope, receive, send)

    return send_problem


def allowed_methods(path: str) -> Sequence[str]:
    """The methods of a path, upper case, sorted."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    exact = [route for route in routes if route.path_format == path]  # /flags/export is no flag
    found = exact or [route for route in routes if route.path_regex.match(path)]
    return sorted({method for route in found for method in route.methods or ()})


def requirements() -> Iterator[tuple[str, str, Requirement]]:
    """Path, method (lower case; "websocket") and requirement of every route."""
    for router in ROUTERS:
        for route in router.routes:
            if not isinstance(route, APIRoute | APIWebSocketRoute):
                continue
            methods = route.methods or () if isinstance(route, APIRoute) else ("websocket",)
            found = [one.call for one in route.dependant.dependencies if isinstance(one.call, Requirement)]
            for method in methods:
                yield route.path_format, method.lower(), found[0]


def _problem_schemas() -> dict[str, Any]:
    """The schemas of a problem and of its parts, by name."""
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**problem.pop("$defs"), "Problem": problem}


def add_description(app: FastAPI) -> None:
    """Add ``/openapi.json``, which anyone may read."""

    @app.get(DESCRIPTION, include_in_schema=False)
    async def read_description(request: Request) -> Response:
        return answer(request, app.openapi() | {"servers": [{"url": f"{_path_of_proxy(request)}{API_PATH}"}]})


def _path_of_proxy(request: Request) -> str:
    """The path below which a browser sees this server; "" for none."""
    passed_on = str(st.get_option("server.baseUrlPath")).strip("/")
    if passed_on:
        return f"/{passed_on}"
    stripped = request.headers.get("x-forwarded-prefix", "")
    return stripped.rstrip("/") if _PREFIX.fullmatch(stripped) else ""


def create_app() -> FastAPI:
    """The app of the API, to be mounted at ``API_PATH``."""
    app = ApiApp(
        title="deepfake-monitor",
        version=__version__,
        description=_ABOUT,
        docs_url=None,  # Swagger's page loads its files from another host
        redoc_url=None,
        redirect_slashes=False,  # a redirect would leave the path of a proxy
        openapi_url=None,  # below: with the path of a proxy
        responses=describe_errors(_ERRORS),
        generate_unique_id_function=lambda route: route.name,
        max_body_size=_MAX_BODY,
    )
    for router in ROUTERS:
        app.include_router(router, dependencies=[Depends(check_query)])
    add_description(app)
    add_docs(app)
    answer_errors(app, allowed_methods)
    app.add_middleware(AuthenticationMiddleware)
    return app


API_ROUTE: Final = Mount(API_PATH, create_app())
API_ROUTE.path_regex = re.compile(
    API_ROUTE.path_regex.pattern, re.DOTALL
)  # also a path with a line break gets a problem
