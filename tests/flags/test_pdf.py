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
from monitor.flags.export_document import ExportDocument, compiled
from monitor.flags.export_files import ExportFiles, copied
from monitor.flags.files import FlagFiles
from monitor.flags.history import following
from monitor.flags.pdf import printed
from monitor.types import ClipState, Opinion

MADE_AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(params=["dejavu", "western"])
def fonts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "western":
        monkeypatch.setattr(pdf, "_fonts", lambda: None)
    elif pdf._fonts() is None:
        pytest.skip("needs DejaVu: pip install matplotlib, which brings it")
    return str(request.param)


def text_of(pdf: bytes) -> str:
    """All its words, one space between them."""
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (poppler-utils)")
    done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return " ".join(done.stdout.decode().split())


def of_one(tmp_path: Path, **changes: object) -> ExportDocument:
    exhibits = FlagFiles(tmp_path)
    picture = cv2.imencode(".jpg", np.full((40, 60, 3), 90, np.uint8))[1].tobytes()
    one = flag(opinion=Opinion.FAKE, category="face swap", clip=ClipState.KEPT, **changes)
    one = replace(one, exhibits=exhibits.keep(one.id, {"frame.jpg": picture, "overlay.png": b"none", "a.json": b"{}"}))
    facts = {"at": "2026-11-24", "actor": "ada", "action": "flagged", "flag_id": one.id}
    return compiled(
        [one], events=[following(None, **facts, flag_sha256="", details={})], copies={one.id: copied(one, exhibits)}
    )


def test_paper_says_what_the_page_says(tmp_path: Path, fonts: str) -> None:
    dossier = of_one(tmp_path, note="odd mouth")
    said = text_of(printed(dossier, made_at=MADE_AT))
    (entry,) = dossier.entries
    for wanted in (
        dossier.title, dossier.preface, entry.heading, entry.label, entry.summary, "frame.jpg", "odd mouth",
        "overlay.png is no picture that can be shown", "page 1 of", f"flags/{flag().id}/clip.mp4",
        *(cell for row in (*entry.files, *entry.log) for cell in row), *(fact.code for fact in entry.facts),
    ):  # fmt: skip
        assert wanted in said
    for limit in dossier.limits:
        assert limit in said
    assert said.index(dossier.limits[0]) < said.index(entry.heading), "the limits come first"
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
    said = text_of(printed(of_one(tmp_path, note=note), made_at=MADE_AT))
    assert shown in said
    assert ("A ? may stand for a character" in said) is ("?" in shown)


def test_letters_beyond_the_west_need_the_font(tmp_path: Path, fonts: str) -> None:
    said = text_of(printed(of_one(tmp_path, note="Łódź Żuk камера"), made_at=MADE_AT))
    assert ("Łódź Żuk камера" if fonts == "dejavu" else "?ódz Zuk ??????") in said


def test_however_long_and_however_many(tmp_path: Path, fonts: str) -> None:
    one = flag(note="endless\n" * 90 + "word" * 3000 + " blah" * 3000, source="path/" * 80, category="c" * 300)
    said = text_of(printed(compiled([one] * 3, events=[], copies={one.id: ExportFiles()}), made_at=MADE_AT))
    assert said.count("endless") == 270
    assert said.count(" blah") >= 8900
    assert "3 flagged moments, page 2 of" in said


def test_nothing_flagged_is_a_page_too() -> None:
    assert "0 flagged moments" in text_of(printed(compiled([], events=[], copies={}), made_at=MADE_AT))


def test_the_same_dossier_gives_the_same_bytes(tmp_path: Path, fonts: str) -> None:
    dossier = of_one(tmp_path)
    assert printed(dossier, made_at=MADE_AT) == printed(dossier, made_at=MADE_AT)
