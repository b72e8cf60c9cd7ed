"""A sign-in form that posts name and password to the sign-in route; the password never reaches Streamlit."""

from monitor.dashboard.components import load_component


def sign_in(*, key: str, url: str) -> None:
    """Shows the form; the page runs again after a successful sign-in.

    Args:
        key: of this element, unique on the page.
        url: of the route, its token included.
    """
    load_component(__name__)(key=key, data={"url": url}, on_done_change=lambda: None)
