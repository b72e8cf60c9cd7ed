"""The card of one face on the live page."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import streamlit as st

from monitor.dashboard.pages.formatting import badge, by_classifier
from monitor.dashboard.pages.live_charts import sparkline
from monitor.types import Label
from monitor.types.formatting import count, percent_or_unknown

_PORTRAIT: Final = "display:block;width:56px;border-radius:6px"  # CSS
_HEAD: Final = "display:flex;align-items:center;gap:.6rem"


def face_card(face: Mapping[str, Any], *, portrait: bytes | None, history: Sequence[float]) -> None:
    """Shows portrait, label, figures, reasons and the recent P(fake) of a face.

    The content is one element: Streamlit replaces elements one after the other, so that a card of several would show
    parts of two faces while their order changes.

    Args:
        face: as in :attr:`~monitor.server.broadcaster.Broadcaster.now`.
        portrait: JPEG.
        history: P(fake) 0..1, the newest last.
    """
    with st.container(border=True):
        st.markdown(
            _content(face, portrait=portrait, history=history),
            unsafe_allow_html=True,  # only for the elements of this module: reasons and ids are the program's own
            help=f"Pictures in quick succession are alike: the samples count as much as {face['effective']:.1f} "
            "pictures that have nothing in common.",
        )


def _content(face: Mapping[str, Any], *, portrait: bytes | None, history: Sequence[float]) -> str:
    """The card as Markdown with HTML; an empty line ends a paragraph."""
    picture = ""
    if portrait is not None:
        data = base64.b64encode(portrait).decode("ascii")
        picture = f'<img src="data:image/jpeg;base64,{data}" alt="Face {face["id"]}" style="{_PORTRAIT}">'
    parts = [
        f'<div style="{_HEAD}">{picture}<div>',
        f"**Face {face['id']}**  \n{badge(Label(face['label']))}",
        "</div></div>",
        f"P(fake) **{percent_or_unknown(face['probability'])}** from {count(face['samples'], 'sample')}",
    ]
    if face["classifiers"]:
        parts.append(f"Each classifier alone: {escape(by_classifier(face['classifiers']))}")
    if face["reasons"]:
        parts.append(f"Reasons: {', '.join(face['reasons'])}")
    if len(history) > 1:
        parts.append(sparkline(history, name=f"face {face['id']}"))
    return "\n\n".join(parts)
