from itertools import pairwise

import pytest

from monitor.server.auth.user import Role


def test_each_role_includes_the_lower_roles() -> None:
    for less, more in pairwise(Role):
        assert less < more
        assert more > less
        assert less <= less
        assert not more <= less
    assert max(Role.ADMIN, Role.VIEWER) is Role.ADMIN, "by what they may, not by the alphabet"


def test_a_role_is_parsed_from_and_printed_as_one_word() -> None:
    assert [str(role) for role in Role] == ["viewer", "reviewer", "admin"]
    assert Role("reviewer") is Role.REVIEWER
    with pytest.raises(ValueError, match="root"):
        Role("root")
