import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.flagging import flag

from monitor.flags import pdf
from monitor.flags.export_document import ExportDocument, compile_document
from monitor.flags.export_files import ExportFiles, collect_files
from monitor.flags.files import FlagFiles
from monitor.flags.history import create_event
from monitor.flags.pdf import render_pdf
from monitor.types import ClipState, Opinion

MADE_AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(params=["dejavu", "western"])
def fonts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "western":
        monkeypatch.setattr(pdf, "_find_fonts", lambda: None)
    elif pdf._find_fonts() is None:
        pytest.skip("needs DejaVu: pip install matplotlib, which brings it")
    return str(request.param)


def text_of(pdf: bytes) -> str:
    """The text of the PDF, with single spaces."""
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (poppler-utils)")
    done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return " ".join(done.stdout.decode().split())


def of_one(tmp_path: Path, **changes: object) -> ExportDocument:
    exhibits = FlagFiles(tmp_path)
    picture = cv2.imencode(".jpg", np.full((40, 60, 3), 90, np.uint8))[1].tobytes()
    one = flag(opinion=Opinion.FAKE, category="face swap", clip=ClipState.KEPT, **changes)
    one = replace(
        one, exhibits=exhibits.create(one.id, {"frame.jpg": picture, "overlay.png": b"none", "a.json": b"{}"})
    )
    facts = {"at": "2026-11-24", "actor": "ada", "action": "flagged", "flag_id": one.id}
    return compile_document(
        [one],
        events=[create_event(None, **facts, flag_sha256="", details={})],
        copies={one.id: collect_files(one, exhibits)},
    )


def test_the_pdf_has_the_content_of_the_page(tmp_path: Path, fonts: str) -> None:
    document = of_one(tmp_path, note="odd mouth")
    said = text_of(render_pdf(document, made_at=MADE_AT))
    (entry,) = document.entries
    for wanted in (
        document.title, document.preface, entry.heading, entry.label, entry.summary, "frame.jpg", "odd mouth",
        "overlay.png cannot be decoded as a picture", "page 1 of", f"flags/{flag().id}/clip.mp4",
        *(cell for row in (*entry.files, *entry.log) for cell in row), *(fact.code for fact in entry.facts),
    ):  # fmt: skip
        assert wanted in said
    for limit in document.limits:
        assert limit in said
    assert said.index(document.limits[0]) < said.index(entry.heading), "the limits come first"
    assert "may stand for" not in said


@pytest.mark.parametrize(
    ("note", "shown"),
    [
        ("Zoë, 100 %", "Zoë, 100 %"),
        ("日本語 🎥", "??? ?"),
        ("a\x00b\x1bc\u202ed", "a?b?c?d"),
        ("tab\tbed", "tab bed"),
    ],
)
def test_no_text_breaks_it(tmp_path: Path, fonts: str, note: str, shown: str) -> None:
    said = text_of(render_pdf(of_one(tmp_path, note=note), made_at=MADE_AT))
    assert shown in said
    assert ("A ? may stand for a character" in said) is ("?" in shown)


def test_letters_beyond_western_europe_need_dejavu(tmp_path: Path, fonts: str) -> None:
    said = text_of(render_pdf(of_one(tmp_path, note="Łódź Żuk камера"), made_at=MADE_AT))
    assert ("Łódź Żuk камера" if fonts == "dejavu" else "?ódz Zuk ??????") in said


def test_long_notes_and_many_flags_are_rendered(tmp_path: Path, fonts: str) -> None:
    one = flag(note="endless\n" * 90 + "word" * 3000 + " blah" * 3000, source="path/" * 80, category="c" * 300)
    said = text_of(render_pdf(compile_document([one] * 3, events=[], copies={one.id: ExportFiles()}), made_at=MADE_AT))
    assert said.count("endless") == 270
    assert said.count(" blah") >= 8900
    assert "3 flagged moments, page 2 of" in said


def test_a_report_without_flags_is_rendered() -> None:
    assert "0 flagged moments" in text_of(render_pdf(compile_document([], events=[], copies={}), made_at=MADE_AT))


def test_the_same_document_gives_the_same_bytes(tmp_path: Path, fonts: str) -> None:
    document = of_one(tmp_path)
    assert render_pdf(document, made_at=MADE_AT) == render_pdf(document, made_at=MADE_AT)
