"""The content credentials of a file, on the page Analyse."""

from typing import Any

from streamlit.testing.v1 import AppTest

from monitor.results.printable import CREDENTIALS_NOTE
from monitor.types import (
    AiUse,
    ContentCredentials,
    CredentialAction,
    CredentialFault,
    CredentialIngredient,
    CredentialState,
)


def block() -> None:
    import streamlit as st

    from monitor.dashboard.pages.credentials_block import show_credentials

    show_credentials(st.session_state["report"])


def shown(found: ContentCredentials | None) -> Any:
    app = AppTest.from_function(block, default_timeout=60)
    app.session_state["report"] = {} if found is None else {"content_credentials": found.to_dict()}
    app.run()
    assert not app.exception
    return app


def plain(text: str) -> str:
    return text.replace("\\", "")


def test_the_statements_are_shown_without_markdown_or_a_colour() -> None:
    found = ContentCredentials(
        CredentialState.VALID,
        signer="**Jane**",
        claim_generator="Editor 3",
        ai_use=AiUse.GENERATED,
        actions=(CredentialAction("c2pa.created", software="Painter", when="2026-11-30"),),
        ingredients=(CredentialIngredient("a.jpg", relationship="parentOf"),),
    )
    app = shown(found)
    head, words = (text.value for text in app.markdown)
    assert "Content credentials" in head
    assert plain(words) == found.in_words
    assert r"\*\*Jane\*\*" in words
    assert not any(f":{colour}" in text.value for text in app.markdown for colour in ("red", "green", "orange"))
    assert [caption.value for caption in app.caption] == [CREDENTIALS_NOTE]
    rows = app.table[0].value.to_dict("records")
    assert [plain(row["content"]) for row in rows] == [
        "Editor 3", "created with Painter", "a.jpg (the file that it was made from)",
    ]  # fmt: skip
    assert not any([*app.error, *app.warning, *app.success, *app.info])


def test_a_failed_check_is_a_row() -> None:
    app = shown(ContentCredentials(CredentialState.INVALID, faults=(CredentialFault("assertion.dataHash.mismatch"),)))
    (row,) = app.table[0].value.to_dict("records")
    assert plain(row["details"]) == "assertion.dataHash.mismatch"


def test_no_credentials_are_a_line_and_an_earlier_report_has_none() -> None:
    app = shown(ContentCredentials(CredentialState.NONE))
    assert not app.markdown
    assert "says nothing about it" in app.caption[0].value
    assert not shown(None).caption
