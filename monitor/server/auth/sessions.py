"""The sessions of signed-in users, and the tokens of their pages for frames, files and uploads."""

import logging
import math
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from monitor.errors import StoreError
from monitor.server.auth.user import User
from monitor.settings import AccessSettings

COOKIE: Final = "deepfake-monitor-session"
_LOOK_UP_INTERVAL: Final = 10.0  # seconds until the session of a deleted account ends
_TOKEN_TIMEOUT: Final = 12 * 3600.0  # seconds after its last use by a page or a request
_SWEEP_INTERVAL: Final = 60.0  # seconds

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Session:
    user: User
    began: float  # this and the next two: time.monotonic()
    used: float
    looked_up: float
    has_key: bool  # its key outlives a sign-out, so the key must not begin a session again


@dataclass(slots=True)
class _Token:
    session: str  # "" before the sign-in
    used: float  # time.monotonic()


class Sessions:
    """All sessions, in memory: a restart signs out every user.

    Args:
        look_up: returns the current state of a user who signed in; None ends the session.
    """

    def __init__(
        self,
        settings: AccessSettings,
        *,
        look_up: Callable[[User], User | None] = lambda user: user,
    ) -> None:
        is_unlimited = settings.mode == "open"  # this mode has no sign-in that could begin a new session
        self._idle = math.inf if is_unlimited else 60.0 * settings.idle_minutes
        self._longest = math.inf if is_unlimited else 3600.0 * settings.sign_in_hours
        self._look_up_user = look_up
        self._sessions: dict[str, _Session] = {}
        self._tokens: dict[str, _Token] = {}
        self._ended_keys: dict[str, float] = {}  # key -> time of the end; a provider's claims outlive a sign-out
        self._last_sweep = time.monotonic()
        self._lock = threading.RLock()

    def begin(self, user: User, *, key: str = "", age: float = 0.0) -> str:
        """Begins a session.

        Args:
            key: identifies a sign-in that several tabs can present; it begins one session only.
            age: seconds since the sign-in at a provider.

        Returns:
            The session's id, a secret; "" if the session of this key has ended.
        """
        now = time.monotonic()
        with self._lock:
            self._sweep(now)
            session_id = key or secrets.token_urlsafe(32)
            if session_id in self._ended_keys or age > self._longest:
                return ""
            if session_id not in self._sessions:
                self._sessions[session_id] = _Session(user, began=now - age, used=now, looked_up=now, has_key=bool(key))
            return session_id

    def is_active(self, session_id: str) -> bool:
        """Whether a session has begun and has not ended."""
        with self._lock:
            return self._find_active(session_id, time.monotonic()) is not None

    def create_token(self) -> str:
        """Creates a token for one page; it gives access after :meth:`join`."""
        now = time.monotonic()
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._sweep(now)
            self._tokens[token] = _Token("", now)
        return token

    def is_valid(self, token: str) -> bool:
        """Whether a token exists and has not expired."""
        now = time.monotonic()
        with self._lock:
            entry = self._tokens.get(token)
            return entry is not None and now - entry.used <= _TOKEN_TIMEOUT

    def join(self, token: str, session_id: str) -> bool:
        """Binds a page's token to a session; False if the token has expired or the session has ended."""
        with self._lock:
            if not self.is_valid(token) or not self._find_active(session_id, time.monotonic()):
                return False
            self._tokens[token].session = session_id
            return True

    def find_user(self, token: str) -> User | None:
        """The user of a token; None without an active session. The call renews token and session.

        It reads the database every 10 s, so do not call it on the event loop.
        """
        now = time.monotonic()
        with self._lock:
            if not self.is_valid(token):
                return None
            entry = self._tokens[token]
            session_id = entry.session
            session = self._find_active(session_id, now)
            if session is None:
                return None
            entry.used = session.used = now
            if now - session.looked_up < _LOOK_UP_INTERVAL:
                return session.user
            session.looked_up = now
        return self._look_up(session_id, session)

    def end(self, token: str) -> User | None:
        """Ends the session of this token, in every tab.

        Returns:
            The user, or None without a session.
        """
        with self._lock:
            session = self._sessions.get(self._tokens[token].session) if token in self._tokens else None
            if session is not None:
                self._drop(self._tokens[token].session)
        return None if session is None else session.user

    def _look_up(self, session_id: str, session: _Session) -> User | None:
        try:
            user = self._look_up_user(session.user)
        except StoreError as error:  # a busy database must not sign users out
            _log.warning("the account of a signed-in user could not be read: %s", error)
            return session.user
        with self._lock:
            if user is None:
                self._drop(session_id)
            else:
                session.user = user
        return user

    def _find_active(self, session_id: str, now: float) -> _Session | None:
        session = self._sessions.get(session_id)
        if session is not None and (now - session.used > self._idle or now - session.began > self._longest):
            self._drop(session_id)
            return None
        return session

    def _drop(self, session_id: str) -> None:
        session = self._sessions.pop(session_id, None)
        if session is not None and session.has_key:
            self._ended_keys[session_id] = time.monotonic()
        for entry in self._tokens.values():
            if entry.session == session_id:
                entry.session = ""

    def _sweep(self, now: float) -> None:
        """Removes expired sessions, tokens and keys once a minute."""
        if now - self._last_sweep < _SWEEP_INTERVAL:
            return
        self._last_sweep = now
        for session_id in list(self._sessions):
            self._find_active(session_id, now)
        self._tokens = {token: entry for token, entry in self._tokens.items() if now - entry.used <= _TOKEN_TIMEOUT}
        self._ended_keys = {key: ended for key, ended in self._ended_keys.items() if now - ended <= self._longest}
