"""Who looks at a tab, and what they may do: asked by every page and, as a sign-in may end, by what is drawn again."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec

import streamlit as st

from monitor.errors import MonitorError
from monitor.server import service
from monitor.server.auth.oidc import age_of, key_of, person_of
from monitor.server.auth.sessions import COOKIE
from monitor.server.auth.user import Role, User
from monitor.server.service import MonitorService

EVERYBODY: Final = User("", Role.ADMIN)  # where nobody signs in
ENDED: Final = "Your sign-in has ended: sign in again. Nothing is lost, and what is watched goes on."
WHO: Final = "signed-in"  # in the tab's session: who is, or was until the sign-in ended
Arguments = ParamSpec("Arguments")


def token() -> str:
    """What this browser tab shows the routes; handed out once a tab, and again if it has expired."""
    sessions = service.current().sessions
    kept = st.session_state.get("token", "")
    if not sessions.knows(kept):
        kept = st.session_state["token"] = sessions.token()
    return str(kept)


def person() -> User | None:
    """Who is signed in here; None if nobody is, or no longer."""
    here = service.current()
    shown = token()
    found = here.sessions.person(shown)
    if found is None and here.sessions.join(shown, _session(here)):
        found = here.sessions.person(shown)
    if found is not None:
        st.session_state.setdefault(WHO, found.name)
    return found


def _session(here: MonitorService) -> str:
    """The id of the session that the mode of signing in gives this tab; may be none, or over."""
    mode = here.settings.access.mode
    if mode == "open":
        return here.sessions.begin(EVERYBODY, key="everybody")
    if mode == "password":
        return st.context.cookies.get(COOKIE, "")
    claims: dict[str, Any] = dict(st.user.to_dict()) if st.user.get("is_logged_in") else {}
    found = person_of(claims, here.settings.access) if claims else None
    if found is None:
        return ""
    key = key_of(claims)
    known = here.sessions.holds(key)
    begun = here.sessions.begin(found, key=key, age=age_of(claims))
    if begun and not known:
        audit("signed in", str(found.role), by=found)
    return begun


def may(role: Role) -> bool:
    """Whether to offer what takes this role."""
    found = person()
    return found is not None and found.role >= role


def lacking(role: Role) -> str:
    """Why something is not offered; "" if it is."""
    return "" if may(role) else f"This takes the role {role}."


def permitted(role: Role) -> bool:
    """Whether to do what somebody pressed; if not, they are told. What is not offered can still be asked for."""
    found = person()
    if found is None:
        st.toast(ENDED, icon=":material/lock:")
    elif found.role < role:
        st.toast(f"Not done: it takes the role {role}, and yours is {found.role}.", icon=":material/lock:")
    return found is not None and found.role >= role


def audit(action: str, what: str = "", *, by: User | None = None) -> None:
    """Write into the log that the person did something."""
    try:
        who = reporter() if by is None else by.name
        client = st.context.ip_address or "127.0.0.1"  # Streamlit says None for this machine
        service.current().audit.note(action, person=who, what=what, client=client)
    except MonitorError as error:
        st.toast(f"Not written into the log: {error}", icon=":material/error:")


def reporter() -> str:
    """Who goes into flags and logs: the person signed in, or, where nobody signs in, the name given in the side bar."""
    found = person()
    if found is None or found != EVERYBODY:
        return "" if found is None else found.name
    return str(st.session_state.get("who", ""))


def ask_reporter() -> None:
    """Let people say who they are, where nobody signs in."""
    if person() == EVERYBODY:
        help_text = "Goes into flags and reviews."
        name = st.sidebar.text_input("Your name", reporter(), help=help_text, max_chars=80)
        st.session_state["who"] = name.strip()  # a widget's own value is lost with its page


def refreshed(*, every: float) -> Callable[[Callable[Arguments, None]], Callable[Arguments, None]]:
    """A part of a page that is drawn again every so many seconds, for as long as somebody is signed in.

    Instead of ``st.fragment``: a browser can ask for a fragment by itself, past what the page looks at.
    """

    def made(draw: Callable[Arguments, None]) -> Callable[Arguments, None]:
        @st.fragment(run_every=every)
        @wraps(draw)
        def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
            if person() is None:
                st.rerun()  # the whole page, which asks who is there
            draw(*args, **kwargs)

        return drawn

    return made
