"""A form for name and password that goes straight to the route that takes them: Streamlit never sees the password."""

from monitor.dashboard.components import part


def sign_in(*, key: str, url: str) -> None:
    """Ask who is there; the page runs again when somebody signed in.

    Args:
        key: of this element, unique on the page.
        url: of the route, its token included.
    """
    part(__name__)(key=key, data={"url": url}, on_done_change=lambda: None)
