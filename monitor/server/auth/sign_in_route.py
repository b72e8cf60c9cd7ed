"""The sign-in route: a session cookie signs in the browser, and the page's token joins the session."""

import asyncio
import json
from typing import Any, Final

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monitor.errors import MonitorError, SignInError
from monitor.server import service
from monitor.server.auth.accounts import normalize_name
from monitor.server.auth.authorization import client_of, is_same_origin, token_of
from monitor.server.auth.sessions import COOKIE
from monitor.server.auth.user import User
from monitor.server.service import MonitorService

_MAX_BODY: Final = 8192  # bytes of a name and a password
_HEADERS: Final = {"Cache-Control": "no-store"}


async def sign_in(request: Request) -> Response:
    """Checks ``{"name": ..., "password": ...}``, JSON from a page with a valid token."""
    monitor_service = service.current()
    settings, token = monitor_service.settings.access, token_of(request)
    if settings.mode != "password" or not is_same_origin(request) or not monitor_service.sessions.is_valid(token):
        return _error("not allowed: reload the page, then sign in", 403)
    credentials = await _read_body(request)
    if credentials is None:
        return _error("enter a name and a password", 400)
    try:
        user = await asyncio.to_thread(_check, monitor_service, *credentials, client=client_of(request))
    except SignInError as error:
        return _error(str(error), 401)
    except MonitorError as error:
        return _error(str(error), 503)
    session_id = monitor_service.sessions.begin(user)
    monitor_service.sessions.join(token, session_id)
    answer = JSONResponse({"name": user.name}, headers=_HEADERS)
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


async def _read_body(request: Request) -> tuple[str, str] | None:
    """Name and password; None if the body is invalid or longer than ``_MAX_BODY``."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > _MAX_BODY:
            return None
    try:
        fields: Any = json.loads(content)
        name, password = fields["name"], fields["password"]
    except (ValueError, KeyError, TypeError):
        return None
    return (name, password) if isinstance(name, str) and isinstance(password, str) else None


def _check(monitor_service: MonitorService, name: str, password: str, *, client: str) -> User:
    """The user; the audit log contains known names only, because people type passwords into the wrong field."""
    monitor_service.guesses.begin(name, client)
    try:
        user = monitor_service.accounts.check(name, password)
    except SignInError:
        known = next(
            (account.name for account in monitor_service.accounts.all() if account.name == normalize_name(name)), ""
        )
        monitor_service.audit.note("sign-in failed", person=known, what="" if known else "unknown name", client=client)
        raise
    monitor_service.guesses.succeed(name, client)
    monitor_service.audit.note("signed in", person=user.name, what=str(user.role), client=client)
    return user


def _error(message: str, status: int) -> Response:
    return JSONResponse({"error": message}, status_code=status, headers=_HEADERS)
