"""People with passwords, kept beside the flags. Of a password only its Argon2 hash is kept."""

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

SHORTEST: Final = 12  # characters of a password; NIST SP 800-63B: length, no rules about its characters
_LONGEST: Final = 1024
_LONGEST_NAME: Final = 80
_WRONG: Final = "this name and password do not belong together"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can sign in."""

    name: str
    role: Role
    password_at: datetime  # UTC: when the password was set


class Accounts:
    """All people with passwords. Names are told apart without regard to case.

    Args:
        database: where they are kept, beside the flags.
        hasher: of passwords.
    """

    def __init__(self, database: Database, *, hasher: PasswordHasher | None = None) -> None:
        self._database = database
        self._hasher = hasher or PasswordHasher()
        self._hashing = threading.Lock()  # 64 MB each: one at a time

    def all(self) -> Sequence[Account]:
        """Everybody, by name.

        Raises:
            StoreError: the database does not answer.
        """
        with self._database.reading() as connection:
            return [_account(row) for row in connection.execute(select(people).order_by(people.c.name)).mappings()]

    def add(self, name: str, *, role: Role, password: str) -> Account:
        """Let somebody sign in.

        Raises:
            UsageError: the name is taken or none, or the password is too short.
            StoreError: it cannot be written.
        """
        name = folded(name)
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            raise UsageError(f"a name has 1 to {_LONGEST_NAME} characters that can be printed")
        values = self._password(name, password)
        with self._database.writing() as connection:
            try:
                connection.execute(people.insert().values(name=name, role=role.value, **values))
            except IntegrityError:
                raise UsageError(f"{name} has an account already: people role and people password change it") from None
            return _one(connection, name)

    def change_role(self, name: str, role: Role) -> Account:
        """Let somebody do more or less, from the next seconds on.

        Raises:
            UsageError: there is no such person.
            StoreError: it cannot be written.
        """
        return self._change(name, role=role.value)

    def change_password(self, name: str, password: str) -> Account:
        """Give somebody another password; who is signed in with the old one no longer is.

        Raises:
            UsageError: there is no such person, or the password is too short.
            StoreError: it cannot be written.
        """
        return self._change(name, **self._password(folded(name), password))

    def remove(self, name: str) -> Account:
        """Let somebody in no longer.

        Returns:
            Who it was.

        Raises:
            UsageError: there is no such person.
            StoreError: it cannot be written.
        """
        with self._database.writing() as connection:
            account = _one(connection, folded(name))
            connection.execute(people.delete().where(people.c.name == account.name))
        return account

    def check(self, name: str, password: str) -> User:
        """Who signs in; takes as long for a name that nobody has.

        Raises:
            SignInError: name and password do not belong together.
            StoreError: the database does not answer.
        """
        name = folded(name)
        with self._database.reading() as connection:
            row = connection.execute(select(people).where(people.c.name == name)).mappings().first()
        with self._hashing:
            try:
                self._hasher.verify(row["password"] if row else self._nobodys, _plain(password))
            except (VerifyMismatchError, InvalidHashError):
                raise SignInError(_WRONG) from None
        if row is None:
            raise SignInError(_WRONG)
        return User(row["name"], Role(row["role"]))

    def standing(self, name: str, *, since: datetime) -> User | None:
        """Somebody as they are now; None if they were removed, or their password was changed since they signed in.

        Raises:
            StoreError: the database does not answer.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(people).where(people.c.name == folded(name))).mappings().first()
        if row is None or _account(row).password_at > since:
            return None
        return User(row["name"], Role(row["role"]))

    def _change(self, name: str, **values: str) -> Account:
        with self._database.writing() as connection:
            account = _one(connection, folded(name))
            connection.execute(people.update().where(people.c.name == account.name).values(**values))
            return _one(connection, account.name)

    def _password(self, name: str, password: str) -> dict[str, str]:
        plain = _plain(password)
        if len(plain) < SHORTEST or plain.casefold() == name:
            raise UsageError(f"a password has at least {SHORTEST} characters, and is not the name")
        if len(plain) > _LONGEST:
            raise UsageError(f"a password has at most {_LONGEST} characters")
        with self._hashing:
            return {"password": self._hasher.hash(plain), "password_at": datetime.now(UTC).isoformat()}

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash("nobody's")


def folded(name: str) -> str:
    """A name as it is compared: ``" Ada "`` and ``"ada"`` are the same."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _plain(password: str) -> str:
    """The same bytes from every keyboard, see NIST SP 800-63B."""
    return unicodedata.normalize("NFKC", password)


def _account(row: Any) -> Account:  # noqa: ANN401 - SQLAlchemy's RowMapping
    return Account(row["name"], Role(row["role"]), datetime.fromisoformat(row["password_at"]))


def _one(connection: Connection, name: str) -> Account:
    row = connection.execute(select(people).where(people.c.name == name)).mappings().first()
    if row is None:
        raise UsageError(f"nobody is called {name}: people list shows everybody")
    return _account(row)
