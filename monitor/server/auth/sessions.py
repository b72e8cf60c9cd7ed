"""Who is signed in, and the tokens with which their pages ask for frames, files and uploads."""

from __future__ import annotations

import logging
import math
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from monitor.errors import StoreError
from monitor.server.auth.user import User

if TYPE_CHECKING:
    from monitor.settings import AccessSettings

COOKIE: Final = "deepfake-monitor-session"
_LOOKED_UP_EVERY: Final = 10.0  # seconds until a removed person is out
_TOKEN_LASTS: Final = 12 * 3600.0  # seconds since a page, or a request, last used it
_SWEPT_EVERY: Final = 60.0  # seconds

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Session:
    person: User
    began_at: datetime  # UTC
    began: float  # this and the next: time.monotonic()
    used: float
    looked_up: float
    keyed: bool  # by what outlives a sign-out: must not begin again


@dataclass(slots=True)
class _Token:
    session: str  # "": of a page where nobody is signed in yet
    used: float  # time.monotonic()


class Sessions:
    """All of them, in memory: a restart signs everybody out.

    Args:
        settings: how long a sign-in lasts.
        standing: looks a person up again, signed in since a moment; None: they are no longer let in.
    """

    def __init__(
        self,
        settings: AccessSettings,
        *,
        standing: Callable[[User, datetime], User | None] = lambda person, _: person,
    ) -> None:
        forever = settings.mode == "open"  # nobody could sign in again
        self._idle = math.inf if forever else 60.0 * settings.idle_minutes
        self._longest = math.inf if forever else 3600.0 * settings.sign_in_hours
        self._standing = standing
        self._sessions: dict[str, _Session] = {}
        self._tokens: dict[str, _Token] = {}
        self._over: dict[str, float] = {}  # keys of ended sessions -> when; a provider's claims outlive a sign-out
        self._swept = time.monotonic()
        self._lock = threading.RLock()

    def begin(self, person: User, *, key: str = "", age: float = 0.0) -> str:
        """Sign somebody in.

        Args:
            person: who.
            key: of a sign-in that may be shown again, by another tab; it begins once.
            age: seconds since the person signed in elsewhere.

        Returns:
            The session's id, a secret; "" if the key's session is over.
        """
        now = time.monotonic()
        with self._lock:
            self._sweep(now)
            session_id = key or secrets.token_urlsafe(32)
            if session_id in self._over or age > self._longest:
                return ""
            if session_id not in self._sessions:
                began_at = datetime.now(UTC) - timedelta(seconds=age)
                self._sessions[session_id] = _Session(
                    person, began_at, began=now - age, used=now, looked_up=now, keyed=bool(key)
                )
            return session_id

    def holds(self, session_id: str) -> bool:
        """Whether a session has begun, and is not over."""
        with self._lock:
            return self._alive(session_id, time.monotonic()) is not None

    def token(self) -> str:
        """A token for one page; nothing is told for it until it joined a session."""
        now = time.monotonic()
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._sweep(now)
            self._tokens[token] = _Token("", now)
        return token

    def knows(self, token: str) -> bool:
        """Whether a token was handed out to a page, and not long ago."""
        now = time.monotonic()
        with self._lock:
            kept = self._tokens.get(token)
            return kept is not None and now - kept.used <= _TOKEN_LASTS

    def join(self, token: str, session_id: str) -> bool:
        """Let a page's token stand for a session; False if either is over."""
        with self._lock:
            if not self.knows(token) or not self._alive(session_id, time.monotonic()):
                return False
            self._tokens[token].session = session_id
            return True

    def person(self, token: str) -> User | None:
        """Who shows this token; None if nobody is signed in with it, or no longer. Asking keeps both alive.

        Reads the database now and then: not for the event loop.
        """
        now = time.monotonic()
        with self._lock:
            if not self.knows(token):
                return None
            kept = self._tokens[token]
            session_id = kept.session
            session = self._alive(session_id, now)
            if session is None:
                return None
            kept.used = session.used = now
            if now - session.looked_up < _LOOKED_UP_EVERY:
                return session.person
            session.looked_up = now
        return self._look_up(session_id, session)

    def end(self, token: str) -> User | None:
        """Sign out who shows this token, in every tab.

        Returns:
            Who it was.
        """
        with self._lock:
            session = self._sessions.get(self._tokens[token].session) if token in self._tokens else None
            if session is not None:
                self._drop(self._tokens[token].session)
        return None if session is None else session.person

    def _look_up(self, session_id: str, session: _Session) -> User | None:
        try:
            person = self._standing(session.person, session.began_at)
        except StoreError as error:  # a database that is busy signs nobody out
            _log.warning("nobody could be looked up: %s", error)
            return session.person
        with self._lock:
            if person is None:
                self._drop(session_id)
            else:
                session.person = person
        return person

    def _alive(self, session_id: str, now: float) -> _Session | None:
        session = self._sessions.get(session_id)
        if session is not None and (now - session.used > self._idle or now - session.began > self._longest):
            self._drop(session_id)
            return None
        return session

    def _drop(self, session_id: str) -> None:
        session = self._sessions.pop(session_id, None)
        if session is not None and session.keyed:
            self._over[session_id] = time.monotonic()
        for kept in self._tokens.values():
            if kept.session == session_id:
                kept.session = ""

    def _sweep(self, now: float) -> None:
        """Forget what is over, now and then."""
        if now - self._swept < _SWEPT_EVERY:
            return
        self._swept = now
        for session_id in list(self._sessions):
            self._alive(session_id, now)
        self._tokens = {token: kept for token, kept in self._tokens.items() if now - kept.used <= _TOKEN_LASTS}
        self._over = {key: ended for key, ended in self._over.items() if now - ended <= self._longest}
