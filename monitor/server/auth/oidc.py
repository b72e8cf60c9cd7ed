"""Somebody whom an OpenID Connect provider vouches for, see OpenID Connect Core 1.0, 5.1."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from monitor.server.auth.user import Role, User

if TYPE_CHECKING:
    from monitor.settings import AccessSettings


def person_of(claims: Mapping[str, Any], settings: AccessSettings) -> User | None:
    """Who it is; None if somebody of no role is not let in.

    An e-mail address gives a role unless the provider says that it was not verified.

    Args:
        claims: of an ID token that was checked.
        settings: who has which role.
    """
    verified = claims.get("email_verified", True) in (True, "true")
    email = str(claims.get("email") or "").casefold() if verified else ""
    said = claims.get(settings.role_claim) or () if settings.role_claim else ()
    named = [said] if isinstance(said, str) else said
    roles = [role for role in Role if role.value in named]
    for role, people in ((Role.ADMIN, settings.admins), (Role.REVIEWER, settings.reviewers)):
        if email and email in map(str.casefold, people):
            roles.append(role)
    if not roles and settings.default_role:
        roles.append(Role(settings.default_role))
    name = email or f"{claims.get('preferred_username') or claims.get('name') or ''} ({claims.get('sub', '')})".strip()
    return User(name, max(roles)) if roles else None


def key_of(claims: Mapping[str, Any]) -> str:
    """What tells one sign-in at the provider from the next, also of the same person."""
    return "|".join(str(claims.get(name, "")) for name in ("iss", "sub", "iat", "nonce"))


def age_of(claims: Mapping[str, Any]) -> float:
    """Seconds (wall clock) since the provider said so."""
    issued = claims.get("iat")
    return max(0.0, datetime.now(UTC).timestamp() - issued) if isinstance(issued, int | float) else 0.0
