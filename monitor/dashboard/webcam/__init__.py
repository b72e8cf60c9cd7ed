"""The browser's own camera: camera -> JPEG -> WebSocket.

Each message is ``float64 big-endian, Unix milliseconds of the picture | JPEG``; the server answers each with the
text ``{"ack": n}``, n counting from 1, and adds ``"refused": reason`` if the JPEG cannot be read. The browser sends at
most 15 pictures a second of at most 1280 pixels on the longer side, and waits while two are unacknowledged.
monitor.server.frame_messages lists the close codes. Browsers allow a camera only on https pages and on localhost.
"""

from monitor.dashboard.components import load_component


def webcam(*, key: str, url: str, token: str, title: str) -> bool:
    """Shows a button that starts the camera; the browser sends no picture before a person presses it.

    Args:
        key: of this element, unique on the page.
        url: of the WebSocket route, resolved as in monitor.dashboard.viewer.
        token: sent as the query parameter ``token``.
        title: a heading.

    Returns:
        Whether the browser is sending pictures; the page runs again when that changes.
    """
    data = {"url": url, "token": token, "title": title}
    state = load_component(__name__)(key=key, data=data, default={"running": False}, on_running_change=lambda: None)
    return state.get("running") is True
