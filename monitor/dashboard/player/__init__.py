"""A video player that seeks to an exact time, plays a span, and steps frame by frame.

Streamlit's own player seeks to whole seconds only, and reloads the video for each of them.
"""

from monitor.dashboard.components import load_component


def player(*, key: str, url: str, title: str, fps: float | None, start: float, end: float | None, request: int) -> None:
    """Shows a video.

    Args:
        key: of this element, unique on the page.
        url: of an mp4 whose route serves byte ranges.
        title: a short name of the video.
        fps: frames per second, for single steps; None: a still picture without controls.
        start: media time (seconds) to seek to.
        end: media time to pause at; None: the video's end.
        request: counts the requests to seek; a new number seeks again.
    """
    data = {"url": url, "title": title, "fps": fps, "start": start, "end": end, "request": request}
    load_component(__name__)(key=key, data=data)
