"""The words for content credentials."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from monitor.types import (
    AiUse,
    ContentCredentials,
    CredentialAction,
    CredentialFault,
    CredentialIngredient,
    CredentialState,
)

SIGNED_AT = datetime(2026, 11, 30, 20, 5, tzinfo=timezone(timedelta(hours=2)))


def test_a_valid_signature_of_an_unknown_signer_is_told_with_what_it_states() -> None:
    found = ContentCredentials(
        CredentialState.VALID,
        signer="Jane Doe",
        organisation="Example News",
        signed_at=SIGNED_AT,
        has_known_time=True,
        ai_use=AiUse.GENERATED,
        actions=(CredentialAction("c2pa.created", software="Painter 3"),),
        has_signer_list=True,
    )
    assert found.in_words == (
        "This file carries content credentials, signed by Jane Doe (Example News) on 2026-11-30 at 18:05 UTC. "
        "The signature is valid, but the signer is not on the list of known signers: anyone can sign with any name. "
        "They say that the file was made by generative AI. Actions that they list: created with Painter 3."
    )


def test_a_time_stamp_of_an_unknown_authority_is_called_so() -> None:
    words = ContentCredentials(CredentialState.TRUSTED, signer="A", signed_at=SIGNED_AT).in_words
    assert "signed by A on 2026-11-30 at 18:05 UTC (time stamp of an unknown authority)." in words


def test_a_known_signer_is_called_known() -> None:
    words = ContentCredentials(CredentialState.TRUSTED, signer="A", organisation="A", has_signer_list=True).in_words
    assert "signed by A without a time stamp. The signature is valid, and the signer is on the list" in words
    assert "AI" not in words


def test_without_a_list_nobody_is_called_unknown() -> None:
    words = ContentCredentials(CredentialState.VALID, signer="A").in_words
    assert "could not be compared with a list of known signers, because none is set" in words


def test_invalid_credentials_name_each_failed_check_once_and_are_not_relied_on() -> None:
    faults = (CredentialFault("assertion.dataHash.mismatch"), CredentialFault("assertion.bmffHash.mismatch"))
    words = ContentCredentials(CredentialState.INVALID, faults=faults, ai_use=AiUse.EDITED).in_words
    assert words.count("the file was changed after it was signed") == 1
    assert "not valid" in words
    assert (
        "Do not rely on what they say. They say that parts of the file were made or changed by generative AI." in words
    )
    assert "an unnamed signer" in words


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (CredentialState.NONE, "carries no content credentials"),
        (CredentialState.UNREADABLE, "could not be read: why"),
        (CredentialState.REMOTE, "kept at an address (why). The program does not fetch them."),
        (CredentialState.NOT_CHECKED, "they cannot be read here: why"),
    ],
)
def test_credentials_that_were_not_read_say_so(state: CredentialState, words: str) -> None:
    found = ContentCredentials(state, reason="why")
    assert words in found.in_words
    assert "signed by" not in found.in_words
    assert not state.is_valid


def test_an_unknown_fault_is_explained_in_the_words_of_the_library() -> None:
    assert CredentialFault("new.code", "something is odd").in_words == "something is odd"
    assert CredentialFault("new.code").in_words == "new.code"


def test_many_actions_are_counted() -> None:
    actions = tuple(CredentialAction(f"c2pa.step_{number}") for number in range(8))
    words = ContentCredentials(CredentialState.VALID, actions=actions).in_words
    assert "step 0, step 1, step 2, step 3, step 4, step 5 and 2 other actions." in words


def test_an_action_and_an_ingredient_have_words() -> None:
    assert CredentialAction("c2pa.color_adjustments", software="Editor").in_words == "colours adjusted with Editor"
    assert CredentialAction("com.example.magic.wand").in_words == "com example magic wand"
    parent = CredentialIngredient("a.jpg", relationship="parentOf", signer="Ada")
    assert parent.in_words == "a.jpg (the file that it was made from, signed by Ada)"
    assert CredentialIngredient("a.jpg").in_words == "a.jpg"


def test_every_use_of_ai_but_none_has_words() -> None:
    assert [use for use in AiUse if not use.in_words] == [AiUse.NONE]


def test_a_value_becomes_json() -> None:
    found = ContentCredentials(CredentialState.VALID, signed_at=SIGNED_AT, ai_use=AiUse.EDITED)
    record = found.to_dict()
    assert record["state"] == "VALID"
    assert record["signed_at"] == SIGNED_AT.astimezone(UTC).isoformat()
    assert record["ai_use"] == "EDITED"
    assert record["in_words"] == found.in_words
