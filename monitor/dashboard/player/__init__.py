"""A video that goes to a moment exactly, plays a span, and steps by single frames.

Streamlit's own player begins at whole seconds, and loads the video anew for each of them.
"""

from monitor.dashboard.components import part


def player(*, key: str, url: str, title: str, fps: float | None, start: float, end: float | None, asked: int) -> None:
    """Show a video.

    Args:
        key: of this element, unique on the page.
        url: of an mp4 that ranges are served of.
        title: what it shows, in a few words.
        fps: frames per second, for single steps; None: one picture, with nothing to play.
        start: media time (seconds) to go to.
        end: media time to pause at; None: the video's end.
        asked: counts what is asked for; another number goes there again.
    """
    data = {"url": url, "title": title, "fps": fps, "start": start, "end": end, "asked": asked}
    part(__name__)(key=key, data=data)
