"""The section of the page System for API keys."""

from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

import streamlit as st

from monitor.dashboard.pages.current_user import audit, check_role, get_token
from monitor.dashboard.pages.formatting import escape, text_table
from monitor.errors import MonitorError
from monitor.server.api import API_PATH
from monitor.server.auth.api_keys import SCOPES, ApiKeys, describe_key
from monitor.server.auth.user import Role
from monitor.server.service import MonitorService

_EXPIRIES: Final = {"never": None, "in 30 days": 30, "in 90 days": 90, "in a year": 365}


def show_api_keys(monitor_service: MonitorService) -> None:
    """Shows all keys, and forms to create and remove one; for administrators."""
    st.subheader("API keys")
    st.markdown("With a key, another program may use the REST API of this server.")
    st.link_button("Documentation of the API", f"{API_PATH.lstrip('/')}/docs?{urlencode({'token': get_token()})}")
    keys = monitor_service.api_keys
    try:
        _create(keys)
        _remove(keys)
        rows = [key.in_words for key in keys.all()]
    except MonitorError as error:
        st.error(escape(str(error)))
        return
    if rows:
        text_table(rows, name="API keys")
    else:
        st.caption("There are no keys.")


def _create(keys: ApiKeys) -> None:
    with st.expander("Create a key"), st.form("new-key", clear_on_submit=True, border=False):
        name = st.text_input("Program that uses the key", max_chars=80)
        role = Role(st.selectbox("Role", list(map(str, Role))))
        scopes = st.multiselect("Scopes", SCOPES, placeholder="all")
        expiry = st.selectbox("Expires", list(_EXPIRIES))
        if not st.form_submit_button("Create the key") or not check_role(Role.ADMIN):
            return
        days = _EXPIRIES[expiry]
        expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
        try:
            key, text = keys.create(name, role=role, scopes=scopes, expires_at=expires_at)
        except MonitorError as error:
            st.error(escape(str(error)))
            return
        audit("key added", describe_key(key))
        st.success("Copy the key now: nobody can read it again.")
        st.code(text, language=None)


def _remove(keys: ApiKeys) -> None:
    found = {key.id: key for key in keys.all()}
    if not found:
        return
    with st.popover("Remove a key"):
        chosen = st.selectbox("Key", list(found), format_func=lambda key_id: f"{found[key_id].name} ({key_id})")
        if st.button("Remove it", key="remove-key", type="primary") and check_role(Role.ADMIN):
            audit("key removed", describe_key(keys.remove(chosen)))
            st.rerun()
