import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from support.flagging import flag

from monitor.flags.export_document import BLURRED, LIMITS, compile_document, render_html
from monitor.flags.export_files import ExportFiles, collect_files
from monitor.flags.files import FlagFiles
from monitor.flags.history import create_event
from monitor.types import ClipState, Label, Opinion


def test_the_page_contains_the_flag_its_reporter_and_the_limits(tmp_path: Path) -> None:
    exhibits = FlagFiles(tmp_path)
    picture = cv2.imencode(".jpg", np.full((40, 40, 3), 90, np.uint8))[1].tobytes()
    one = flag(note="<script>alert(1)</script>", opinion=Opinion.FAKE, category="face swap", clip=ClipState.KEPT)
    one = replace(one, exhibits=exhibits.create(one.id, {"frame.jpg": picture, "trace.json": b"{}"}))
    facts = {"at": "2026-11-24", "actor": "ada", "action": "flagged", "flag_id": one.id}
    event = create_event(None, **facts, flag_sha256="", details={})
    said = render_html(compile_document([one], events=[event], copies={one.id: collect_files(one, exhibits)}))
    for wanted in (
        "suspicious", "80 %", "effective samples: 1.8", "face too blurred", "face swap", "ada", "weights-1",
        event.sha256,
        one.exhibits[0].sha256, f'href="flags/{one.id}/clip.mp4"', "data:image/jpeg;base64,", "0:10", "10 20 110 140",
        "2026-11-24 12:00:00",
    ):  # fmt: skip
        assert wanted in said
    for limit in LIMITS:
        assert limit in said
    assert "<script>" not in said
    assert not re.search(r'(src|href)="(?!data:|flags/)', said), "nothing is fetched from elsewhere"


def test_unknown_values_are_shown_as_unknown() -> None:
    one = flag(
        label=Label.NOT_ENOUGH_EVIDENCE, probability=None, track_id=None, box=None, clip=ClipState.MISSING,
        clip_why="no space left", reporter="",
    )  # fmt: skip
    said = render_html(compile_document([one, one], events=[], copies={one.id: ExportFiles()}))
    assert "2 flagged moments" in said
    assert "P(fake) unknown" in said
    assert "the whole picture" in said
    assert "missing: no space left" in said
    assert "not yet" in said
    assert "person, 2026" in said


def test_the_real_span_of_a_clip_is_stated_beside_the_requested_one() -> None:
    def page(**span: float) -> str:
        one = flag(clip=ClipState.KEPT, **span)
        return render_html(compile_document([one], events=[], copies={one.id: ExportFiles()}))

    whole, short = page(clip_start=9.4, clip_end=14.0), page(clip_start=12.6, clip_end=14.0)
    assert "<dt>Requested span</dt><dd>0:10.0 to 0:14.0" in whole
    assert "<dt>Span of the clip</dt><dd>0:09.4 to 0:14.0" in whole
    assert "About the clip" not in whole
    assert "<dt>Span of the clip</dt><dd>0:12.6 to 0:14.0" in short
    assert (
        "About the clip:</strong> it does not contain the flagged moment 0:12.0, it is shorter than the requested "
        "0:10.0 to 0:14.0." in short
    )
    assert "Span of the clip" not in page()
    assert "the real span was not recorded, 0:10.0 to 0:14.0 was requested." in page()


def test_skipped_and_missing_files_are_listed() -> None:
    one = flag(clip=ClipState.KEPT)
    copies = ExportFiles(missing=("trace.json",), skipped={"clip.mp4": "nobody knows whose faces it shows"})
    said = render_html(compile_document([one], events=[], copies={one.id: copies}, blurred=True))
    assert "Missing files:</strong> trace.json." in said
    assert "Omitted:</strong> clip.mp4, because nobody knows whose faces it shows." in said
    assert BLURRED in said
    assert "href=" not in said, "there is no clip to go to"
