"""The report of an export as a PDF: A4, numbered pages, the same content as the HTML page.

The font is DejaVu if it is installed (matplotlib contains it, most Linux systems have it). Otherwise the standard PDF
fonts are used, with Western European letters only. A character without a glyph becomes ``?``, and a note on the first
page mentions this.
"""

import importlib.util
import io
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from fpdf import FPDF
from fpdf.enums import TableBordersLayout, VAlign, XPos, YPos
from fpdf.fonts import FontFace, TTFFont
from PIL import Image, UnidentifiedImageError

from monitor.flags.export_document import DocumentEntry, DocumentFact, DocumentPicture, ExportDocument

_MARGIN: Final = 18  # mm
_GREY: Final = 100
_LINE: Final = 5.2  # mm, of text of _SIZE
_SIZE: Final = 10  # points
_SMALL: Final = 8.5
_HASH: Final = 6.4
_TALLEST: Final = 75.0  # mm, of a picture
_GAP: Final = 5.0  # mm, between pictures
_LONGEST: Final = 1000  # characters of a row: page breaks do not split rows
_FACES: Final = (
    ("body", "", "DejaVuSans.ttf"),
    ("body", "B", "DejaVuSans-Bold.ttf"),
    ("code", "", "DejaVuSansMono.ttf"),
)
_FOLDERS: Final = ("/usr/share/fonts/truetype/dejavu", "/usr/share/fonts/dejavu-sans-fonts", "/usr/share/fonts/TTF")
_LOSSY: Final = "A ? may stand for a character that the font of this file lacks; report.html contains all characters."

T = TypeVar("T")


def render_pdf(document: ExportDocument, *, made_at: datetime) -> bytes:
    """Renders the report as a PDF file; equal arguments on the same machine give the same bytes."""
    pdf = _ReportPdf(_find_fonts(), made_at=made_at)
    printable = _map_text(document, pdf.replace_missing)
    pdf.begin(printable.title, [printable.preface, _LOSSY] if pdf.lossy else [printable.preface])
    pdf.heading("Meaning and limits")
    for limit in printable.limits:
        pdf.bullet(limit)
    for entry in printable.entries:
        pdf.entry(entry)
    return bytes(pdf.output())


class _ReportPdf(FPDF):
    """The pages of the report, with a footer."""

    def __init__(self, fonts: Path | None, *, made_at: datetime) -> None:
        super().__init__(format="A4")
        self.lossy = False
        self._has_glyph: Callable[[str], bool] = _is_western
        self._body, self._code = "helvetica", "courier"
        if fonts is not None:
            for family, style, name in _FACES:
                self.add_font(family, style, fonts / name)
            self._body, self._code = "body", "code"
            cmaps = [font.cmap for font in self.fonts.values() if isinstance(font, TTFFont)]
            self._has_glyph = lambda letter: all(ord(letter) in cmap for cmap in cmaps)
        self.set_creation_date(made_at)
        self.set_margin(_MARGIN)
        self.c_margin = 0  # text and pictures have the same left edge
        self.set_auto_page_break(auto=True, margin=_MARGIN + 4)

    def footer(self) -> None:
        """Draws the page number; fpdf2 calls it at the end of every page."""
        self.set_y(-_MARGIN + 2)
        self._font(_SMALL, grey=True)
        self.cell(0, 4, f"{self._title}, page {self.page_no()} of {{nb}}", align="C")

    def replace_missing(self, text: str) -> str:
        """Replaces the characters that the fonts lack."""
        printable = "".join(self._replace(letter) for letter in text)
        self.lossy = self.lossy or any(a != b for a, b in zip(text, printable, strict=False) if not a.isspace())
        return printable

    def _replace(self, letter: str) -> str:
        if letter == "\n" or self._has_glyph(letter):
            return letter
        if letter.isspace():
            return " "
        plain = unicodedata.normalize("NFKD", letter)[:1]
        return plain if plain.isprintable() and self._has_glyph(plain) else "?"

    def begin(self, title: str, preface: Iterable[str]) -> None:
        """Draws the title and the preface on the first page."""
        self.set_title(title)
        self._title = title
        self.add_page()
        self._font(20, bold=True)
        self._text(title, 9)
        self._font(_SMALL, grey=True)
        for line in preface:
            self._text(line, 4.4)

    def heading(self, text: str) -> None:
        """Draws a heading of the report or of an entry."""
        if self.get_y() + 40 > self.page_break_trigger:  # no heading alone at the end of a page
            self.add_page()
        self.ln(4)
        self._font(13, bold=True)
        self._text(text, 6.5)
        self.ln(1)

    def bullet(self, text: str) -> None:
        """Draws one item of a list."""
        self._font(_SIZE)
        self.set_fill_color(0)
        self.circle(self.l_margin + 1.2, self.get_y() + _LINE / 2, 0.55, style="F")
        self.set_x(self.l_margin + 4)
        self._text(text, _LINE, width=self.epw - 4)
        self.ln(0.8)

    def entry(self, entry: DocumentEntry) -> None:
        """Draws the section of one flag."""
        self.ln(5)
        self.set_draw_color(170)
        if self.get_y() + 60 > self.page_break_trigger:
            self.add_page()
        self.line(self.l_margin, self.get_y(), self.l_margin + self.epw, self.get_y())
        self.heading(entry.heading)
        self._verdict(entry)
        self._pictures(entry.pictures)
        self._facts(entry.facts)
        for fact in entry.absent:
            self._font(_SIZE, bold=True)
            self.write(_LINE, f"{fact.name} ")
            self._font(_SIZE)
            self.write(_LINE, f"{fact.text}.")
            self.ln(_LINE)
        self._table(("File", "Bytes", "SHA-256"), entry.files, widths=(63, 20, 91))
        self._table(("Time", "Person", "Action", "Hash of the log entry"), entry.log, widths=(38, 25, 20, 91))

    def _verdict(self, entry: DocumentEntry) -> None:
        self._font(_SIZE, bold=True)
        self.set_draw_color(0)
        width = self.get_string_width(entry.label) + 4
        self.cell(width, 6.4, entry.label, border=1, align="C", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(1.5)
        self._font(_SIZE)
        self._text(entry.summary, _LINE)
        self.ln(2)

    def _pictures(self, pictures: Sequence[DocumentPicture]) -> None:
        """Draws the pictures in rows; a row has as many as fit."""
        row: list[tuple[DocumentPicture, float, float]] = []
        for picture in pictures:
            size = _size(picture.content)
            if size is None:
                self._font(_SMALL, grey=True)
                self._text(f"{picture.name} cannot be decoded as a picture.", 4.4)
                continue
            widest = self.epw if len(pictures) == 1 else (self.epw - _GAP) / 2
            scale = min(widest / size[0], _TALLEST / size[1])
            width, height = size[0] * scale, size[1] * scale
            if row and sum(each[1] + _GAP for each in row) + width > self.epw:
                self._row(row)
                row = []
            row.append((picture, width, height))
        if row:
            self._row(row)

    def _row(self, row: Sequence[tuple[DocumentPicture, float, float]]) -> None:
        tallest = max(height for _, _, height in row)
        if self.get_y() + tallest + 8 > self.page_break_trigger:
            self.add_page()
        top, left = self.get_y(), self.l_margin
        self._font(_SMALL, grey=True)
        for picture, width, height in row:
            self.image(io.BytesIO(picture.content), x=left, y=top, w=width, h=height)
            self.set_xy(left, top + height + 0.8)
            self.cell(width, 4, picture.name)
            left += width + _GAP
        self.set_xy(self.l_margin, top + tallest + 7)

    def _facts(self, facts: Iterable[DocumentFact]) -> None:
        name = FontFace(color=(_GREY,) * 3)
        code = FontFace(family=self._code, size_pt=_SMALL)
        self._font(_SIZE)
        with self.table(
            borders_layout=TableBordersLayout.NONE,
            col_widths=(40, 134),
            first_row_as_headings=False,
            line_height=_LINE,
            text_align="LEFT",
            v_align=VAlign.T,
        ) as table:
            for fact in facts:
                for index, (text, style) in enumerate(_lines(fact, code)):
                    row = table.row()
                    row.cell("" if index else fact.name, style=name)
                    row.cell(text, style=style)
        self.ln(2)

    def _table(self, head: Sequence[str], rows: Iterable[Sequence[str]], *, widths: Sequence[float]) -> None:
        rows = list(rows)
        if not rows:
            return
        code = FontFace(family=self._code, size_pt=_HASH)
        self.ln(2)
        self._font(_SMALL)
        self.set_draw_color(190)
        with self.table(
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            col_widths=tuple(widths),
            headings_style=FontFace(emphasis="BOLD"),
            line_height=4.6,
            padding=(0.2, 1.5, 0.2, 0),
            text_align="LEFT",
            v_align=VAlign.T,
        ) as table:
            table.row(head)
            for cells in rows:
                row = table.row()
                for cell in cells[:-1]:
                    row.cell(cell)
                row.cell(cells[-1], style=code)

    def _font(self, size: float, *, bold: bool = False, grey: bool = False) -> None:
        self.set_font(self._body, "B" if bold else "", size)
        self.set_text_color(_GREY if grey else 0)

    def _text(self, text: str, height: float, *, width: float = 0) -> None:
        self.multi_cell(width, height, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


@lru_cache(maxsize=1)
def _find_fonts() -> Path | None:
    """The folder of the DejaVu fonts; None if they are not installed."""
    matplotlib = importlib.util.find_spec("matplotlib")
    folders = [Path(folder) for folder in _FOLDERS]
    if matplotlib is not None and matplotlib.origin is not None:
        folders.insert(0, Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf")
    return next((folder for folder in folders if all((folder / name).is_file() for _, _, name in _FACES)), None)


def _is_western(letter: str) -> bool:
    """Whether the standard PDF fonts have this letter."""
    return letter.isprintable() and ord(letter) < 256


def _lines(fact: DocumentFact, code: FontFace) -> Iterator[tuple[str, FontFace | None]]:
    """The rows of a fact, each with its font."""
    for paragraph in (fact.link or fact.text).splitlines():
        for piece in textwrap.wrap(paragraph, _LONGEST):
            yield piece, None
    if fact.code:
        yield fact.code, code


def _size(content: bytes) -> tuple[int, int] | None:
    """Width and height of a picture, pixels; None if it cannot be decoded."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            return image.size
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return None


def _map_text(value: T, change: Callable[[str], str]) -> T:
    """Applies a function to every string inside dataclasses and tuples."""
    changed: Any = value
    if isinstance(value, str):
        changed = change(value)
    elif isinstance(value, tuple):
        changed = tuple(_map_text(each, change) for each in value)
    elif is_dataclass(value):
        changed = replace(value, **{each.name: _map_text(getattr(value, each.name), change) for each in fields(value)})  # type: ignore[type-var]
    return changed  # type: ignore[no-any-return]
