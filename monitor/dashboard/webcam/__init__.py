"""The camera of whoever looks at the page: browser -> JPEG -> WebSocket.

Each message is ``float64 big-endian, Unix milliseconds of the picture | JPEG``; the server answers each with the
text ``{"ack": n}``, n counting from 1, with ``"refused": why`` in it if it was no picture. Two are under way at most,
15 a second at most, their longer side 1280 pixels at most. Close codes are those of monitor.server.frame_messages.
Browsers give a camera only to https pages and to localhost.
"""

from monitor.dashboard.components import part


def webcam(*, key: str, url: str, token: str, title: str) -> bool:
    """Offer to send the browser's own camera; nothing is taken before somebody presses start.

    Args:
        key: of this element, unique on the page.
        url: of the WebSocket route, resolved as monitor.dashboard.viewer does.
        token: goes along as the query parameter ``token``.
        title: what this is for, in a few words.

    Returns:
        Whether pictures are being sent; the page runs again when that changes.
    """
    data = {"url": url, "token": token, "title": title}
    sent = part(__name__)(key=key, data=data, default={"running": False}, on_running_change=lambda: None)
    return sent.get("running") is True
