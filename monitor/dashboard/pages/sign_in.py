"""The sign-in page and the sign-out button."""

import streamlit as st

from monitor.dashboard.pages.current_user import ENDED, WHO, audit, get_token, get_user
from monitor.dashboard.pages.formatting import address
from monitor.dashboard.sign_in import sign_in
from monitor.server import service

_DRAFTS = "drafts"


def show() -> None:
    """Shows the page."""
    monitor_service = service.current()
    _keep_drafts()
    st.header("Sign in")
    if WHO in st.session_state:
        st.warning(ENDED, icon=":material/lock:")
    if monitor_service.settings.access.mode == "oidc":
        _at_provider()
        return
    if not monitor_service.accounts.all():
        st.info("There are no accounts yet. Create one on the server: `deepfake-monitor people add NAME --role admin`")
    sign_in(key="sign-in", url=address("sign-in"))


def _at_provider() -> None:
    if st.user.get("is_logged_in") and WHO not in st.session_state:
        st.error("Your account may not use this dashboard. Ask the administrator, or sign in with another account.")
    st.button("Sign in", on_click=st.login, type="primary")


def _keep_drafts() -> None:
    """Saves the text of all input fields: Streamlit deletes the values of fields that a run does not show."""
    if WHO in st.session_state and _DRAFTS not in st.session_state:
        drafts = {key: value for key, value in st.session_state.items() if isinstance(value, str) and key != "token"}
        st.session_state[_DRAFTS] = drafts


def welcome() -> None:
    """Shows the user and a sign-out button, and restores the same user's unsaved text after a new sign-in."""
    user = get_user()
    if user is None:
        return
    drafts = st.session_state.pop(_DRAFTS, {})
    if drafts.get(WHO) == user.name:
        for key, value in drafts.items():
            st.session_state[key] = value
    st.session_state[WHO] = user.name
    if service.current().settings.access.mode != "open":
        with st.sidebar:
            st.caption(f"{user.name}, {user.role}")
            st.button("Sign out", on_click=_sign_out)


def _sign_out() -> None:
    monitor_service = service.current()
    audit("signed out")
    monitor_service.sessions.end(get_token())
    for key in list(st.session_state):  # the next user must not see this user's text
        if key != "token":
            del st.session_state[key]
    if monitor_service.settings.access.mode == "oidc":
        st.logout()
