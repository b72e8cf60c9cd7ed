"""The route that takes a name and a password; the answer's cookie signs in this browser, its token this page."""

import asyncio
import json
from typing import Any, Final

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monitor.errors import MonitorError, SignInError
from monitor.server import service
from monitor.server.auth.accounts import folded
from monitor.server.auth.authorization import client_of, from_here, token_of
from monitor.server.auth.sessions import COOKIE
from monitor.server.auth.user import User
from monitor.server.service import MonitorService

_LARGEST: Final = 8192  # bytes of a name and a password
_HEADERS: Final = {"Cache-Control": "no-store"}


async def sign_in(request: Request) -> Response:
    """Take ``{"name": ..., "password": ...}`` as JSON, of a page that shows its token."""
    here = service.current()
    settings, token = here.settings.access, token_of(request)
    if settings.mode != "password" or not from_here(request) or not here.sessions.knows(token):
        return _said("not allowed: reload the page and sign in there", 403)
    said = await _body(request)
    if said is None:
        return _said("a name and a password are needed", 400)
    try:
        person = await asyncio.to_thread(_checked, here, *said, client=client_of(request))
    except SignInError as error:
        return _said(str(error), 401)
    except MonitorError as error:
        return _said(str(error), 503)
    session_id = here.sessions.begin(person)
    here.sessions.join(token, session_id)
    answer = JSONResponse({"name": person.name}, headers=_HEADERS)
    answer.set_cookie(
        COOKIE,
        session_id,
        max_age=round(3600 * settings.sign_in_hours),
        path=f"/{st.get_option('server.baseUrlPath').strip('/')}",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


async def _body(request: Request) -> tuple[str, str] | None:
    """Name and password, or None; no more is read than that takes."""
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > _LARGEST:
            return None
    try:
        said: Any = json.loads(content)
        name, password = said["name"], said["password"]
    except (ValueError, KeyError, TypeError):
        return None
    return (name, password) if isinstance(name, str) and isinstance(password, str) else None


def _checked(here: MonitorService, name: str, password: str, *, client: str) -> User:
    """Who it is; the log has the name only if there is somebody of that name: people type passwords there."""
    here.guesses.begin(name, client)
    try:
        person = here.accounts.check(name, password)
    except SignInError:
        known = next((account.name for account in here.accounts.all() if account.name == folded(name)), "")
        here.audit.note("sign-in failed", person=known, what="" if known else "nobody of that name", client=client)
        raise
    here.guesses.right(name, client)
    here.audit.note("signed in", person=person.name, what=str(person.role), client=client)
    return person


def _said(message: str, status: int) -> Response:
    return JSONResponse({"error": message}, status_code=status, headers=_HEADERS)
