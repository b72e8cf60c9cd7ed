"""Users of an OpenID Connect provider."""

from datetime import UTC, datetime
from typing import Any

import pytest

from monitor.server.auth.oidc import age_of, key_of, person_of
from monitor.server.auth.user import Role, User
from monitor.settings import AccessSettings

SETTINGS = AccessSettings(mode="oidc", admins=("Ada@example.org",), reviewers=("bob@example.org", "ada@example.org"))


@pytest.mark.parametrize(
    ("claims", "settings", "role"),
    [
        ({"email": "ada@example.org"}, SETTINGS, Role.ADMIN),
        ({"email": "ADA@EXAMPLE.ORG", "email_verified": True}, SETTINGS, Role.ADMIN),
        ({"email": "bob@example.org", "email_verified": "true"}, SETTINGS, Role.REVIEWER),
        ({"email": "eve@example.org"}, SETTINGS, Role.VIEWER),
        ({"email": "eve@example.org"}, SETTINGS.model_copy(update={"default_role": ""}), None),
        ({"email": "bob@example.org"}, SETTINGS.model_copy(update={"default_role": ""}), Role.REVIEWER),
        ({"email": "ada@example.org", "email_verified": False}, SETTINGS, Role.VIEWER),
        ({"email": "ada@example.org", "email_verified": None}, SETTINGS, Role.VIEWER),
        ({"email": "", "sub": "7"}, SETTINGS, Role.VIEWER),
        ({"email": "eve@example.org", "role": "admin"}, SETTINGS, Role.VIEWER),
    ],
)
def test_email_addresses_give_roles(claims: dict[str, Any], settings: AccessSettings, role: Role | None) -> None:
    found = person_of(claims, settings)
    assert (found and found.role) is role


@pytest.mark.parametrize(
    ("said", "role"),
    [
        ("admin", Role.ADMIN),
        (["staff", "viewer", "reviewer"], Role.REVIEWER),
        (["staff", 7, {}], None),
        ("administrators", None),
        ("", None),
        (None, None),
    ],
)
def test_a_claim_gives_a_role(said: object, role: Role | None) -> None:
    settings = AccessSettings(mode="oidc", role_claim="groups", default_role="")
    found = person_of({"sub": "7", "email": "eve@example.org", "groups": said}, settings)
    assert (found and found.role) is role


def test_the_name_is_the_verified_email_address() -> None:
    assert person_of({"sub": "7", "email": "Ada@Example.org", "name": "Ada"}, SETTINGS) == User(
        "ada@example.org", Role.ADMIN
    )
    unverified = {"sub": "7", "email": "ada@example.org", "email_verified": False, "preferred_username": "ada"}
    assert person_of(unverified, SETTINGS) == User("ada (7)", Role.VIEWER)
    assert person_of({"sub": "7"}, SETTINGS) == User("(7)", Role.VIEWER)


def test_each_sign_in_has_its_own_key() -> None:
    claims = {"iss": "https://id.example", "sub": "7", "iat": 1, "nonce": "a"}
    assert key_of(claims) == key_of({**claims, "name": "Ada"})
    for change in ({"nonce": "b"}, {"iat": 2}, {"sub": "8"}, {"iss": "https://other.example"}):
        assert key_of({**claims, **change}) != key_of(claims)


def test_the_age_of_a_sign_in_is_computed() -> None:
    now = datetime.now(UTC).timestamp()
    assert age_of({"iat": int(now) - 60}) == pytest.approx(60, abs=5)
    assert age_of({"iat": now + 60}) == 0.0, "another clock"
    assert age_of({}) == 0.0
