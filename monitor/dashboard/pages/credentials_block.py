"""The content credentials of an analysed file, beside its verdict."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from monitor.dashboard.pages.formatting import escape, text_table
from monitor.results.printable import CREDENTIALS_NOTE
from monitor.types import CredentialState


def show_credentials(report: Mapping[str, Any]) -> None:
    """Shows what a file states about its origin; nothing for earlier reports, and for sources that are no single file.

    The block has no colour: colours belong to the verdict.

    Args:
        report: the content of its report.json.
    """
    found = report.get("content_credentials")
    if not found:
        return
    if found["state"] == CredentialState.NONE:
        st.caption(escape(found["in_words"]))
        return
    with st.container(border=True):
        st.markdown("**Content credentials** (C2PA): what the file itself states about its origin")
        st.markdown(escape(found["in_words"]))
        st.caption(CREDENTIALS_NOTE)
        rows = _rows(found)
        if rows:
            with st.expander("All statements"):
                text_table(rows, name="Statements of the content credentials")


def _rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """Every statement as a row of a table."""
    rows = [("failed check", fault["in_words"], fault["code"]) for fault in found["faults"]]
    rows += [("program", found["claim_generator"], "")] if found["claim_generator"] else []
    for action in found["actions"]:
        facts = (action["when"], action["digital_source_type"], action["description"])
        rows.append(("action", action["in_words"], ", ".join(filter(None, facts))))
    rows += [("file used", one["in_words"], one["format"]) for one in found["ingredients"]]
    return [{"statement": kind, "content": content, "details": details} for kind, content, details in rows]
