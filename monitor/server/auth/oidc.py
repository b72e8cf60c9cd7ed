"""Users of an OpenID Connect provider, from the claims of OpenID Connect Core 1.0, section 5.1."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from monitor.server.auth.user import Role, User
from monitor.settings import AccessSettings


def person_of(claims: Mapping[str, Any], settings: AccessSettings) -> User | None:
    """The user of an ID token; None if the claims and the settings give no role.

    An e-mail address gives a role unless the provider marks it as not verified.

    Args:
        claims: of a verified ID token.
    """
    verified = claims.get("email_verified", True) in (True, "true")
    email = str(claims.get("email") or "").casefold() if verified else ""
    claim = claims.get(settings.role_claim) or () if settings.role_claim else ()
    names = [claim] if isinstance(claim, str) else claim
    roles = [role for role in Role if role.value in names]
    for role, people in ((Role.ADMIN, settings.admins), (Role.REVIEWER, settings.reviewers)):
        if email and email in map(str.casefold, people):
            roles.append(role)
    if not roles and settings.default_role:
        roles.append(Role(settings.default_role))
    name = email or f"{claims.get('preferred_username') or claims.get('name') or ''} ({claims.get('sub', '')})".strip()
    return User(name, max(roles)) if roles else None


def key_of(claims: Mapping[str, Any]) -> str:
    """A key of one sign-in at the provider; the next sign-in of the same user has another key."""
    return "|".join(str(claims.get(name, "")) for name in ("iss", "sub", "iat", "nonce"))


def age_of(claims: Mapping[str, Any]) -> float:
    """Seconds (wall clock) since the provider issued the ID token."""
    issued = claims.get("iat")
    return max(0.0, datetime.now(UTC).timestamp() - issued) if isinstance(issued, int | float) else 0.0
