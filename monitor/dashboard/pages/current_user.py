"""The signed-in user of a browser tab and the user's role; pages check both at every run, as a sign-in may end."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec

import streamlit as st

from monitor.dashboard.remembered_name import LONGEST, read_name, remember_name
from monitor.errors import MonitorError
from monitor.server import service
from monitor.server.auth.oidc import age_of, key_of, person_of
from monitor.server.auth.sessions import COOKIE
from monitor.server.auth.user import Role, User
from monitor.server.service import MonitorService

EVERYBODY: Final = User("", Role.ADMIN)  # the user in the mode "open", which has no sign-in
ENDED: Final = "Your sign-in has ended: sign in again. Your unsaved text is kept, and monitoring continues."
WHO: Final = "signed-in"  # key in the tab's session: name of the current or last signed-in user
Arguments = ParamSpec("Arguments")


def get_token() -> str:
    """The token of this browser tab for the server's routes; renewed when it has expired."""
    sessions = service.current().sessions
    value = st.session_state.get("token", "")
    if not sessions.is_valid(value):
        value = st.session_state["token"] = sessions.create_token()
    return str(value)


def get_user() -> User | None:
    """The user signed in to this tab; None without a sign-in or after its end."""
    monitor_service = service.current()
    tab_token = get_token()
    user = monitor_service.sessions.find_user(tab_token)
    if user is None and monitor_service.sessions.join(tab_token, _session(monitor_service)):
        user = monitor_service.sessions.find_user(tab_token)
    if user is not None:
        st.session_state.setdefault(WHO, user.name)
    return user


def _session(monitor_service: MonitorService) -> str:
    """The id of this tab's session, found by the configured sign-in mode; it may be "" or have expired."""
    mode = monitor_service.settings.access.mode
    if mode == "open":
        return monitor_service.sessions.begin(EVERYBODY, key="everybody")
    if mode == "password":
        return st.context.cookies.get(COOKIE, "")
    claims: dict[str, Any] = dict(st.user.to_dict()) if st.user.get("is_logged_in") else {}
    user = person_of(claims, monitor_service.settings.access) if claims else None
    if user is None:
        return ""
    key = key_of(claims)
    exists = monitor_service.sessions.is_active(key)
    session_id = monitor_service.sessions.begin(user, key=key, age=age_of(claims))
    if session_id and not exists:
        audit("signed in", str(user.role), by=user)
    return session_id


def has_role(role: Role) -> bool:
    """Whether the user has this role or a higher one."""
    user = get_user()
    return user is not None and user.role >= role


def explain_denial(role: Role) -> str:
    """The reason why a control is disabled; "" if the user has the role."""
    return "" if has_role(role) else f"This action needs the role {role}."


def check_role(role: Role) -> bool:
    """Checks the role after a press and shows a toast if it is missing: a browser can press a disabled button."""
    user = get_user()
    if user is None:
        st.toast(ENDED, icon=":material/lock:")
    elif user.role < role:
        st.toast(f"This action needs the role {role}. Your role is {user.role}.", icon=":material/lock:")
    return user is not None and user.role >= role


def audit(action: str, what: str = "", *, by: User | None = None) -> None:
    """Writes an action of the user into the audit log; a failure shows a toast."""
    try:
        name = get_reporter() if by is None else by.name
        client = st.context.ip_address or "127.0.0.1"  # Streamlit gives None for the same machine
        service.current().audit.note(action, person=name, what=what, client=client)
    except MonitorError as error:
        st.toast(f"The audit log could not be written: {error}", icon=":material/error:")


def get_reporter() -> str:
    """The name for flags and logs: the signed-in user's, or in the mode "open" the name that the user typed."""
    user = get_user()
    if user is None or user != EVERYBODY:
        return "" if user is None else user.name
    if "who" not in st.session_state:
        st.session_state["who"] = read_name()
    return str(st.session_state["who"])


def ask_reporter() -> None:
    """Shows a field for the user's name in the mode "open"."""
    if get_user() == EVERYBODY:
        help_text = "Your name is saved with your flags and reviews. This browser remembers it."
        name = st.text_input("Your name", get_reporter(), help=help_text, max_chars=LONGEST)
        st.session_state["who"] = name.strip()  # Streamlit deletes a widget's own value when its page closes
        remember_name(name.strip(), key="remembered-name")


def refresh(*, every: float) -> Callable[[Callable[Arguments, None]], Callable[Arguments, None]]:
    """Redraws a part of a page periodically while a user is signed in.

    It replaces ``st.fragment``: a browser can rerun a fragment alone, without the checks of the page.

    Args:
        every: seconds.
    """

    def decorate(draw: Callable[Arguments, None]) -> Callable[Arguments, None]:
        @st.fragment(run_every=every)
        @wraps(draw)
        def draw_for_user(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
            if get_user() is None:
                st.rerun()  # the whole page, which shows the sign-in form
            draw(*args, **kwargs)

        return draw_for_user

    return decorate
