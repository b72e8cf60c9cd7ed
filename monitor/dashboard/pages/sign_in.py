"""What somebody sees who is not signed in, and how to leave again."""

import streamlit as st

from monitor.dashboard.pages.current_user import ENDED, WHO, audit, person, token
from monitor.dashboard.pages.formatting import address
from monitor.dashboard.sign_in import sign_in
from monitor.server import service

_DRAFTS = "drafts"


def show() -> None:
    """The page."""
    here = service.current()
    _keep_drafts()
    st.header("Sign in")
    if WHO in st.session_state:
        st.warning(ENDED, icon=":material/lock:")
    if here.settings.access.mode == "oidc":
        _at_provider()
        return
    if not here.accounts.all():
        st.info("Nobody has an account yet. On the server: `deepfake-monitor people add NAME --role admin`")
    sign_in(key="sign-in", url=address("sign-in"))


def _at_provider() -> None:
    if st.user.get("is_logged_in") and WHO not in st.session_state:
        st.error("Your account may not use this dashboard: ask whoever runs it, or sign in with another one.")
    st.button("Sign in", on_click=st.login, type="primary")


def _keep_drafts() -> None:
    """Streamlit forgets what was typed into elements that a run does not show."""
    if WHO in st.session_state and _DRAFTS not in st.session_state:
        typed = {key: value for key, value in st.session_state.items() if isinstance(value, str) and key != "token"}
        st.session_state[_DRAFTS] = typed


def welcome() -> None:
    """Say who is signed in, let them leave, and give them back what they had typed when their sign-in ended."""
    found = person()
    if found is None:
        return
    drafts = st.session_state.pop(_DRAFTS, {})
    if drafts.get(WHO) == found.name:
        for key, value in drafts.items():
            st.session_state[key] = value
    st.session_state[WHO] = found.name
    if service.current().settings.access.mode != "open":
        with st.sidebar:
            st.caption(f"{found.name}, {found.role}")
            st.button("Sign out", on_click=_sign_out, icon=":material/logout:")


def _sign_out() -> None:
    here = service.current()
    audit("signed out")
    here.sessions.end(token())
    for key in list(st.session_state):  # what the last one typed is not for the next one
        if key != "token":
            del st.session_state[key]
    if here.settings.access.mode == "oidc":
        st.logout()
