"""Finds the caller of a request: the holder of an API key, or, in the mode ``open``, an allowed client as admin.

The check comes before a body is read. A router names the role and the scope that a path needs:

>>> from typing import Annotated
>>> from monitor.server.api.authentication import Caller, require
>>> from monitor.server.auth.user import Role
>>> async def read_flags(caller: Annotated[Caller, require(Role.VIEWER, scope="flags")]) -> None: ...
"""

import asyncio
import weakref
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Depends, HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from monitor.errors import MonitorError, SignInError, kind_of
from monitor.server import service
from monitor.server.api.limits import RequestLimits, network_of
from monitor.server.api.problems import problem, status_of
from monitor.server.auth.api_keys import ApiKey, Scope
from monitor.server.auth.authorization import client_of, is_same_origin
from monitor.server.auth.user import Role

DESCRIPTION, DOCS = "/openapi.json", "/docs"  # below the mount; anyone may read the former
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="deepfake-monitor"'}
_KEY: Final = "monitor.caller"  # in the ASGI scope
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_BODIES: Final = ("application/json", "application/octet-stream")
_NO_KEY: Final = "this path needs a key: send the header Authorization: Bearer with a key of `people key add`"


@dataclass(frozen=True, slots=True)
class Caller:
    """The program that asks."""

    name: str  # of its key; "" without a key
    role: Role
    client: str  # its address
    key: ApiKey | None = None  # None: mode "open", without a key

    @property
    def actor(self) -> str:
        """The name for flags and for the audit log; "" without a key."""
        return f"key {self.name}" if self.key else ""

    async def audit(self, action: str, what: str = "") -> None:
        """Write an action into the audit log.

        Args:
            what: the object of the action, addresses masked.

        Raises:
            StoreError: the database does not answer.
        """
        note = service.current().audit.note
        await asyncio.to_thread(note, action, person=self.actor, what=what, client=self.client)


@dataclass(frozen=True, slots=True)
class Requirement:
    """The role and the scope that a path needs; as a dependency, the caller who has both.

    Args:
        scope: None: a key with all scopes.
    """

    role: Role
    scope: Scope | None

    async def __call__(self, connection: HTTPConnection) -> Caller:
        """The caller of a request.

        Raises:
            HTTPException: 403, the role is too low, or the key lacks the scope.
        """
        caller: Caller = connection.scope[_KEY]
        self.check(caller)
        return caller

    def check(self, caller: Caller) -> None:
        """Refuse a caller without the role or the scope.

        Raises:
            HTTPException: 403.
        """
        if caller.role < self.role:
            raise HTTPException(
                403, f"this needs a key with the role {self.role}: the role of this one is {caller.role}"
            )
        if caller.key is not None and caller.key.scopes and (self.scope is None or not caller.key.may(self.scope)):
            wanted = "all scopes" if self.scope is None else f"the scope {self.scope}"
            raise HTTPException(403, f"this needs a key with {wanted}: this one has {', '.join(caller.key.scopes)}")


def require(role: Role, *, scope: Scope | None) -> Any:  # noqa: ANN401 - as FastAPI's own Depends
    """The dependency of a path on a role and a scope; its value is the ``Caller``.

    Args:
        scope: None: only a key with all scopes may ask.
    """
    return Depends(Requirement(role, scope))


async def find_caller(connection: HTTPConnection) -> Caller:
    """The caller of a request.

    Raises:
        HTTPException: 401, there is no key; 403, a page of another site asks; 415, a form of one might ask.
        SignInError: the key is unknown, wrong, removed or expired.
        StoreError: the database does not answer.
    """
    client = client_of(connection)
    text = _key_text(connection)
    if text is not None:
        key = await _find_key(text)
        return Caller(key.name, key.role, client, key)
    if service.current().settings.access.mode != "open":
        raise HTTPException(401, _NO_KEY, headers=CHALLENGE)
    _check_origin(connection)
    return Caller("", Role.ADMIN, client)


def _key_text(connection: HTTPConnection) -> str | None:
    """The text of the key in a request; None without one."""
    scheme, _, text = connection.headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


async def _find_key(text: str) -> ApiKey:
    keys = service.current().api_keys
    known = keys.recall(text)
    return known if known is not None else await asyncio.to_thread(keys.check, text)


def _check_origin(connection: HTTPConnection) -> None:
    """Refuse what a page of another site can send: without a key, only the browser's rules stand in between."""
    if not is_same_origin(connection):
        raise HTTPException(403, "a page of another site may not ask without a key: send one, or ask from this server")
    if connection.scope.get("method", "GET") in _SAFE:
        return
    kind = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _BODIES:
        raise HTTPException(415, "without a key, a change needs the header Content-Type: application/json")


class AuthenticationMiddleware:
    """ASGI middleware of the API: finds the caller of each request, and counts it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._limits: weakref.WeakKeyDictionary[service.MonitorService, RequestLimits] = weakref.WeakKeyDictionary()

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Passes a request on with its caller, or answers with a problem."""
        if scope["type"] not in ("http", "websocket") or is_public(scope):
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._admit(HTTPConnection(scope))
        except HTTPException as error:
            await problem(error.status_code, str(error.detail), headers=error.headers)(scope, receive, send)
        except MonitorError as error:
            headers = CHALLENGE if isinstance(error, SignInError) else None
            answer = problem(status_of(error), str(error), kind=kind_of(error), headers=headers)
            await answer(scope, receive, send)
        else:
            await self._app({**scope, _KEY: caller}, receive, send)

    async def _admit(self, connection: HTTPConnection) -> Caller:
        now = service.current()
        limits = self._limits.get(now)
        if limits is None:
            limits = self._limits[now] = RequestLimits(now.settings.api)
        address = network_of(client_of(connection))
        text = _key_text(connection)
        if text is not None and not now.api_keys.is_known(text):
            limits.count_look_up(address)
        try:
            caller = await find_caller(connection)
        except SignInError:
            limits.count_failure(address)  # only now: other programs may share the address of a proxy
            raise
        name = f"key {caller.key.id}" if caller.key else f"address {address}"
        limits.count(name, changing=connection.scope.get("method", "GET") not in _SAFE)
        return caller


def is_public(scope: AsgiScope) -> bool:
    """Whether a path needs no key; the documentation page checks a sign-in to the dashboard itself."""
    path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
    has_key = any(name == b"authorization" for name, _ in scope["headers"])
    return path == DESCRIPTION or (path == DOCS and not has_key)
