"""Accounts with passwords, in the database of the flags. Only the Argon2 hash of a password is stored."""

import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from monitor.errors import SignInError, UsageError
from monitor.server.auth.tables import people
from monitor.server.auth.user import Role, User
from monitor.system.database import Database

SHORTEST: Final = 12  # characters of a password; NIST SP 800-63B requires a length and no character classes
_LONGEST: Final = 1024  # characters of a password
_LONGEST_NAME: Final = 80
_WRONG: Final = "the name or the password is wrong"


@dataclass(frozen=True, slots=True)
class Account:
    """An account that can sign in."""

    name: str
    role: Role
    password_at: datetime  # UTC: time of the last password change


class Accounts:
    """All accounts with passwords. Names are case-insensitive.

    Each method raises StoreError if the database does not answer; nothing is changed then.

    Args:
        hasher: of passwords; default: Argon2 with the library's default cost.
    """

    def __init__(self, database: Database, *, hasher: PasswordHasher | None = None) -> None:
        self._database = database
        self._hasher = hasher or PasswordHasher()
        self._hashing = threading.Lock()  # 64 MB each: one at a time

    def all(self) -> Sequence[Account]:
        """All accounts, sorted by name."""
        with self._database.reading() as connection:
            return [_to_account(row) for row in connection.execute(select(people).order_by(people.c.name)).mappings()]

    def add(self, name: str, *, role: Role, password: str) -> Account:
        """Creates an account.

        Raises:
            UsageError: the name is taken or invalid, or the password is too short.
        """
        name = normalize_name(name)
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            raise UsageError(f"a name has 1 to {_LONGEST_NAME} printable characters")
        values = self._hash(name, password)
        with self._database.writing() as connection:
            try:
                connection.execute(people.insert().values(name=name, role=role.value, **values))
            except IntegrityError:
                raise UsageError(
                    f"{name} already has an account: use people role or people password to change it"
                ) from None
            return _find_row(connection, name)

    def change_role(self, name: str, role: Role) -> Account:
        """Changes the role of an account; open sessions follow within seconds.

        Raises:
            UsageError: the account does not exist.
        """
        return self._change(name, role=role.value)

    def change_password(self, name: str, password: str) -> Account:
        """Changes the password of an account; sessions with the old password end.

        Raises:
            UsageError: the account does not exist, or the password is too short.
        """
        return self._change(name, **self._hash(normalize_name(name), password))

    def remove(self, name: str) -> Account:
        """Deletes an account.

        Raises:
            UsageError: the account does not exist.
        """
        with self._database.writing() as connection:
            account = _find_row(connection, normalize_name(name))
            connection.execute(people.delete().where(people.c.name == account.name))
        return account

    def check(self, name: str, password: str) -> User:
        """Checks name and password; an unknown name takes as long as a known one.

        Raises:
            SignInError: the name or the password is wrong.
        """
        name = normalize_name(name)
        with self._database.reading() as connection:
            row = connection.execute(select(people).where(people.c.name == name)).mappings().first()
        with self._hashing:
            try:
                self._hasher.verify(row["password"] if row else self._dummy_hash, _normalize_password(password))
            except (VerifyMismatchError, InvalidHashError):
                raise SignInError(_WRONG) from None
        if row is None:
            raise SignInError(_WRONG)
        return _to_user(row)

    def find(self, user: User) -> User | None:
        """The user with the current role; None if the account was deleted, or its password is not the one given.

        The password is known by the time of its change, whatever the clock says now: it may have been set back.
        """
        with self._database.reading() as connection:
            row = (
                connection.execute(select(people).where(people.c.name == normalize_name(user.name))).mappings().first()
            )
        if row is None or _to_account(row).password_at != user.password_at:
            return None
        return _to_user(row)

    def _change(self, name: str, **values: str) -> Account:
        with self._database.writing() as connection:
            account = _find_row(connection, normalize_name(name))
            connection.execute(people.update().where(people.c.name == account.name).values(**values))
            return _find_row(connection, account.name)

    def _hash(self, name: str, password: str) -> dict[str, str]:
        plain = _normalize_password(password)
        if len(plain) < SHORTEST or plain.casefold() == name:
            raise UsageError(f"a password has at least {SHORTEST} characters and differs from the name")
        if len(plain) > _LONGEST:
            raise UsageError(f"a password has at most {_LONGEST} characters")
        with self._hashing:
            return {"password": self._hasher.hash(plain), "password_at": datetime.now(UTC).isoformat()}

    @cached_property
    def _dummy_hash(self) -> str:
        return self._hasher.hash("nobody's")


def normalize_name(name: str) -> str:
    """The form in which names are compared: ``" Ada "`` and ``"ada"`` are the same."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _normalize_password(password: str) -> str:
    """The same characters from every keyboard, see NIST SP 800-63B."""
    return unicodedata.normalize("NFKC", password)


def _to_account(row: Any) -> Account:  # noqa: ANN401 - SQLAlchemy's RowMapping
    return Account(row["name"], Role(row["role"]), datetime.fromisoformat(row["password_at"]))


def _to_user(row: Any) -> User:  # noqa: ANN401 - SQLAlchemy's RowMapping
    account = _to_account(row)
    return User(account.name, account.role, password_at=account.password_at)


def _find_row(connection: Connection, name: str) -> Account:
    row = connection.execute(select(people).where(people.c.name == name)).mappings().first()
    if row is None:
        raise UsageError(f"there is no account {name}: people list shows all accounts")
    return _to_account(row)
