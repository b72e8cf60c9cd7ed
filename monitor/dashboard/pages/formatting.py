"""Text that several pages share: labels with sign and colour, hints, and URLs of files."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import urlencode, urljoin

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from monitor.dashboard.pages.current_user import get_token
from monitor.server import service
from monitor.server.routes import PREFIX
from monitor.types import HintKind, Label
from monitor.types.formatting import clock, clock_span, percent_or_unknown

_PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")  # characters with a meaning in Markdown
_ESCAPE: Final = r"\\\1"
_MANY_ROWS, _LONGEST_TABLE = 12, 420  # rows; pixels
INDICATION: Final = "An indication, not proof."
HEAT_MAP_LIMITS: Final = (
    "The heat-map shows which parts of a face moved its score. In tests it pointed at manipulated parts no better than "
    "chance: do not read it as the place of a manipulation."
)
_PRECISIONS: Final = {"fp32": "32-bit numbers", "fp16": "16-bit numbers", "int8": "8-bit numbers"}
_BADGES: Final[Mapping[Label, tuple[str, str]]] = {
    Label.NOT_ENOUGH_EVIDENCE: ("gray", ":material/help:"),
    Label.LIKELY_REAL: ("green", ":material/check_circle:"),
    Label.SUSPICIOUS: ("orange", ":material/warning:"),
    Label.LIKELY_FAKE: ("red", ":material/report:"),
}


def page_head(title: str) -> DeltaGenerator:
    """Shows the title of a page; returns the place at its right, on a phone below :func:`verdict_place`."""
    with st.container(key="page-head"):
        head, place = st.columns([4, 1], vertical_alignment="bottom")
    head.header(title)
    return place


def escape(text: str) -> str:
    """Text that Markdown shows as it is: file names, addresses, names of sources, messages."""
    return _PUNCTUATION.sub(_ESCAPE, text)


def engine_in_words(name: str) -> str:
    """An engine's name for people: "onnxruntime, 32-bit numbers" for "onnxruntime-fp32"."""
    engine, _, precision = name.rpartition("-")
    return f"{engine}, {_PRECISIONS[precision]}" if engine and precision in _PRECISIONS else name


def text_table(
    rows: Sequence[Mapping[str, object]], *, name: str, height: int | Literal["content"] = "content"
) -> None:
    """Shows a table as HTML, for screen readers and to copy: ``st.dataframe`` draws on a canvas.

    Args:
        rows: the same keys in each row; the content is not Markdown.
        name: of the table, for screen readers.
        height: pixels, beyond which the table scrolls.
    """
    cells = [{escape(key): escape(str(value)) for key, value in row.items()} for row in rows]
    st.table(pd.DataFrame(cells), border="horizontal", hide_index=True, height=height, alt=name)


def list_as_text(rows: Sequence[Mapping[str, object]], *, name: str, key: str) -> None:
    """Shows a switch for the text of a list that is drawn on a canvas, because its rows can be chosen and sorted."""
    if rows and st.toggle("List as text", key=key, help="The same list for screen readers, and to copy."):
        text_table(rows, name=name, height=_LONGEST_TABLE if len(rows) > _MANY_ROWS else "content")


def verdict_place() -> DeltaGenerator:
    """The place of the page's verdict: on a phone above all form fields (``style.css``)."""
    return st.container(key="verdict-place")


def badge(label: Label) -> str:
    """A label in Markdown: text, sign and colour."""
    colour, icon = _BADGES[label]
    return f":{colour}-badge[{icon} {label.in_words}]"


def by_classifier(verdicts: Iterable[Mapping[str, Any]]) -> str:
    """P(fake) of each classifier of a committee: "inception_resnet_v1-2 62 %, efficientnet_lite0-1 91 %"."""
    return ", ".join(f"{one['classifier']} {percent_or_unknown(one['probability'])}" for one in verdicts)


def notice(kind: HintKind, detail: str, since: float, until: float | None = None) -> str:
    """A hint about the stream in Markdown, in a colour that no label uses."""
    when = f"since {clock(since)}" if until is None else clock_span(since, until)
    text = f":violet-badge[:material/sensors_off: stream: {kind.in_words} {when}]"
    return f"{text} {escape(detail)}" if detail else text


def remark(note: str) -> str:
    """How a source was read, in Markdown: its colours were converted, another video track was not looked at."""
    return f":gray-badge[:material/info: source] {escape(note)}"


def source_name(source: str) -> str:
    """The present name of a source that was renamed; flags store its address."""
    streams = service.current().streams
    return next((stream.name for stream in streams if source in (stream.address, stream.name)), source)


def sources_named(text: str) -> tuple[str, ...]:
    """The addresses of the sources whose present name contains a text; none for ""."""
    streams = service.current().streams if text else ()
    return tuple(sorted({stream.address for stream in streams if text.casefold() in stream.name.casefold()}))


def route(*parts: str) -> str:
    """The URL of one of the server's own routes, relative to the page.

    All pages lie side by side, so it is valid on each of them, and behind a proxy that adds or removes a path prefix.
    """
    return "/".join((PREFIX, *parts))


def address(*parts: str, **query: str) -> str:
    """The relative URL of a route, with this tab's token and a query."""
    return f"{route(*parts)}?{urlencode({'token': get_token(), **query})}"


def absolute(*parts: str) -> str:
    """The full URL of a route, for players that need the host."""
    return urljoin(st.context.url or "", address(*parts))


def show_picture(url: str, *, description: str, width: int | None = None) -> None:
    """Shows a picture of one of the server's own routes, with its description below.

    ``st.image`` copies a picture into Streamlit's memory, which forgets it when the page runs again: in quick
    succession the browser asks too late, and the picture stays broken.

    Args:
        url: relative to the page.
        description: text below the picture, for screen readers too.
        width: pixels; None: as wide as its place.
    """
    size = "100%" if width is None else f"{width}px"
    st.html(
        f'<figure style="margin:0;width:{size};max-width:100%">'
        f'<img src="{html.escape(url)}" alt="{html.escape(description)}" '
        'style="display:block;width:100%;border-radius:6px">'
        f'<figcaption style="font-size:.875rem;opacity:.8">{html.escape(description)}</figcaption></figure>',
        width="stretch" if width is None else "content",
    )
