"""Keys with which other programs use the API. Only the SHA-256 of a key's secret is stored.

The secret has 32 random bytes, so a slow hash like that of a password protects nothing more.
"""

import hashlib
import hmac
import logging
import re
import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, get_args

from sqlalchemy import select

from monitor.errors import SignInError, StoreError, UsageError
from monitor.server.auth.tables import api_keys
from monitor.server.auth.user import Role
from monitor.system.database import Database
from monitor.types.serialise import Serialisable

Scope = Literal["streams", "verdicts", "analyses", "flags", "model", "system", "events", "webhooks"]
SCOPES: Final[tuple[str, ...]] = get_args(Scope)
PREFIX: Final = "dfm"  # of every key, so that a scanner for leaked secrets finds it
_KEY: Final = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_([0-9a-f]{{64}})")
_LONGEST_NAME: Final = 80
_LOOK_UP_INTERVAL: Final = 5.0  # seconds until a key that another process removed is refused
_USE_INTERVAL: Final = timedelta(minutes=1)  # between two writes of the last use
_UNKNOWN: Final = "this key is unknown or was removed: ask an administrator for a new one"
_EXPIRED: Final = "this key has expired: ask an administrator for a new one"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ApiKey(Serialisable):
    """A key, without its secret."""

    id: str
    name: str
    role: Role
    scopes: tuple[str, ...]  # of ``SCOPES``; empty: all
    created_at: datetime  # UTC
    expires_at: datetime | None = None  # UTC; None: never
    last_used_at: datetime | None = None  # UTC, to the minute; None: never

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)

    @property
    def in_words(self) -> dict[str, str]:
        """The key as a row of a table for people."""
        expires = "never" if self.expires_at is None else f"{self.expires_at:%Y-%m-%d %H:%M}"
        return {
            "id": self.id,
            "name": self.name,
            "role": str(self.role),
            "scopes": ", ".join(self.scopes) or "all",
            "expires": f"{expires} (over)" if self.is_expired else expires,
            "last used": "never" if self.last_used_at is None else f"{self.last_used_at:%Y-%m-%d %H:%M}",
        }

    def may(self, scope: str) -> bool:
        """Whether it includes a scope."""
        return not self.scopes or scope in self.scopes


@dataclass(frozen=True, slots=True)
class _KnownKey:
    key: ApiKey
    secret: str  # its SHA-256
    looked_up: float  # time.monotonic()


class ApiKeys:
    """All keys.

    Each method but :meth:`recall` and :meth:`is_known` reads the database; it raises StoreError without an answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, _KnownKey] = {}  # by id: no more than there are keys
        self._lock = threading.Lock()

    def all(self) -> Sequence[ApiKey]:
        """All keys, the oldest first."""
        query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
        with self._database.reading() as connection:
            return [_to_key(row) for row in connection.execute(query).mappings()]

    def create(
        self, name: str, *, role: Role, scopes: Iterable[str] = (), expires_at: datetime | None = None
    ) -> tuple[ApiKey, str]:
        """Draft a key and add it, see :func:`draft_key` and :meth:`add`."""
        key = draft_key(name, role=role, scopes=scopes, expires_at=expires_at)
        return key, self.add(key)

    def add(self, key: ApiKey) -> str:
        """Store a new key; its text with the secret, which nobody can read again."""
        secret = secrets.token_hex(32)
        values = {
            "id": key.id,
            "name": key.name,
            "role": key.role.value,
            "scopes": " ".join(key.scopes),
            "secret": _hash(secret),
            "created_at": key.created_at.isoformat(),
            "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
        }
        with self._database.writing() as connection:
            connection.execute(api_keys.insert().values(**values))
        return f"{PREFIX}_{key.id}_{secret}"

    def remove(self, key_id: str) -> ApiKey:
        """Remove a key; this process refuses it at once, other processes within seconds.

        Raises:
            UsageError: the key does not exist.
        """
        with self._database.writing() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).mappings().first()
            if row is None:
                raise UsageError(f"there is no key {key_id[:20]}: people key list shows all keys")
            connection.execute(api_keys.delete().where(api_keys.c.id == key_id))
        with self._lock:
            self._known.pop(key_id, None)
        return _to_key(row)

    def is_known(self, text: str) -> bool:
        """Whether this process has looked up the id of a key before, and found it. Reads memory only."""
        found = _KEY.fullmatch(text)
        with self._lock:
            return found is not None and found[1] in self._known

    def recall(self, text: str) -> ApiKey | None:
        """The key of a text that was checked within the last seconds; else None. Reads memory only.

        Raises:
            SignInError: the text is not a key, its secret is wrong, or the key has expired.
        """
        key_id, secret = _parse(text)
        with self._lock:
            known = self._known.get(key_id)
        if known is None or time.monotonic() - known.looked_up > _LOOK_UP_INTERVAL:
            return None
        return _check(known, secret)

    def check(self, text: str) -> ApiKey:
        """The key of a text; notes its use, at most once a minute.

        Raises:
            SignInError: the key is unknown or was removed, its secret is wrong, or it has expired.
        """
        key_id, secret = _parse(text)
        with self._database.reading() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).mappings().first()
        if row is None:
            with self._lock:
                self._known.pop(key_id, None)
            hmac.compare_digest(_hash(secret), _hash(""))  # an unknown id takes as long as a wrong secret
            raise SignInError(_UNKNOWN)
        known = _KnownKey(_to_key(row), str(row["secret"]), time.monotonic())
        with self._lock:
            self._known[key_id] = known
        key = _check(known, secret)
        self._note_use(key)
        return key

    def _note_use(self, key: ApiKey) -> None:
        now = datetime.now(UTC)
        if key.last_used_at is not None and abs(now - key.last_used_at) < _USE_INTERVAL:
            return
        try:
            with self._database.writing() as connection:
                used = api_keys.update().where(api_keys.c.id == key.id)
                connection.execute(used.values(last_used_at=now.isoformat()))
        except StoreError as error:  # a busy database must not refuse a valid key
            _log.warning("the last use of the key %s could not be written: %s", key.name, error)


def draft_key(name: str, *, role: Role, scopes: Iterable[str] = (), expires_at: datetime | None = None) -> ApiKey:
    """A new key, which is not stored yet.

    Args:
        scopes: of ``SCOPES``; none: all.
        expires_at: with a time zone; None: never.

    Raises:
        UsageError: the name, a scope or the time is invalid.
    """
    return ApiKey(
        id=secrets.token_hex(6),
        name=_checked_name(name),
        role=role,
        scopes=_checked_scopes(scopes),
        created_at=datetime.now(UTC),
        expires_at=_checked_expiry(expires_at),
    )


def describe_key(key: ApiKey) -> str:
    """A key in one line of the audit log."""
    expires = "" if key.expires_at is None else f", until {key.expires_at:%Y-%m-%d %H:%M} UTC"
    return f"key {key.name} ({key.id}): {key.role}, {', '.join(key.scopes) or 'all scopes'}{expires}"


def read_expiry(text: str) -> datetime:
    """The time that a person typed: days from now (``90d``), a date (its end), or a time in ISO 8601; UTC.

    Raises:
        UsageError: the text is none of these.
    """
    days = re.fullmatch(r"\s*(\d{1,5})\s*d(ays?)?\s*", text)
    if days is not None:
        return datetime.now(UTC) + timedelta(days=int(days[1]))
    try:
        time_ = datetime.fromisoformat(text.strip())
        if re.fullmatch(r"[\d-]+", text.strip()):  # a date alone
            time_ += timedelta(days=1)
        return time_.replace(tzinfo=time_.tzinfo or UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text[:40]} is no expiry: write days (90d), a date (2027-01-31) or a time (ISO 8601)"
        ) from None


def _check(known: _KnownKey, secret: str) -> ApiKey:
    if not hmac.compare_digest(_hash(secret), known.secret):
        raise SignInError(_UNKNOWN)
    if known.key.is_expired:
        raise SignInError(_EXPIRED)
    return known.key


def _parse(text: str) -> tuple[str, str]:
    found = _KEY.fullmatch(text)
    if found is None:
        raise SignInError(_UNKNOWN)
    return found[1], found[2]


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise UsageError(f"the name of a key has 1 to {_LONGEST_NAME} printable characters")
    return name


def _checked_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    chosen = set(scopes)
    unknown = sorted(chosen - set(SCOPES))
    if unknown:
        raise UsageError(f"{unknown[0][:40]} is not a scope: choose from {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in chosen)


def _checked_expiry(expires_at: datetime | None) -> datetime | None:
    if expires_at is None:
        return None
    if expires_at.tzinfo is None:
        raise UsageError("the expiry has no time zone: write it like 2027-01-31T00:00:00Z")
    try:
        expires_at = expires_at.astimezone(UTC)
    except OverflowError:  # beyond the year 9999 in UTC
        raise UsageError("the expiry is too far away: leave it out for a key that never expires") from None
    if expires_at <= datetime.now(UTC):
        raise UsageError("the expiry is over already: choose a later one, or none")
    return expires_at


def _to_key(row: Any) -> ApiKey:  # noqa: ANN401 - SQLAlchemy's RowMapping
    return ApiKey(
        id=row["id"],
        name=row["name"],
        role=Role(row["role"]),
        scopes=tuple(row["scopes"].split()),
        created_at=datetime.fromisoformat(row["created_at"]),
        expires_at=_time(row["expires_at"]),
        last_used_at=_time(row["last_used_at"]),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
