"""A form for name and password that goes straight to the route that takes them: Streamlit never sees the password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.dashboard.parts import part

if TYPE_CHECKING:
    from collections.abc import Callable


def sign_in(*, key: str, url: str, on_done: Callable[[], None]) -> None:
    """Ask who is there.

    Args:
        key: of this element, unique on the page.
        url: of the route, its token included.
        on_done: called when somebody signed in, before the page runs again.
    """
    part(__name__)(key=key, data={"url": url}, on_done_change=on_done)
