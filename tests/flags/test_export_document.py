import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from support.flagging import flag

from monitor.flags.export_document import BLURRED, LIMITS, compiled, page
from monitor.flags.export_files import ExportFiles, copied
from monitor.flags.files import FlagFiles
from monitor.flags.history import following
from monitor.types import ClipState, Label, Opinion


def test_the_page_says_what_was_flagged_by_whom_and_what_it_is_worth(tmp_path: Path) -> None:
    exhibits = FlagFiles(tmp_path)
    picture = cv2.imencode(".jpg", np.full((40, 40, 3), 90, np.uint8))[1].tobytes()
    one = flag(note="<script>alert(1)</script>", opinion=Opinion.FAKE, category="face swap", clip=ClipState.KEPT)
    one = replace(one, exhibits=exhibits.keep(one.id, {"frame.jpg": picture, "trace.json": b"{}"}))
    facts = {"at": "2026-11-24", "actor": "ada", "action": "flagged", "flag_id": one.id}
    event = following(None, **facts, flag_sha256="", details={})
    said = page(compiled([one], events=[event], copies={one.id: copied(one, exhibits)}))
    for wanted in (
        "suspicious", "80 %", "1.8 independent", "face too blurred", "face swap", "ada", "weights-1", event.sha256,
        one.exhibits[0].sha256, f'href="flags/{one.id}/clip.mp4"', "data:image/jpeg;base64,", "0:10", "10 20 110 140",
        "2026-11-24 12:00:00",
    ):  # fmt: skip
        assert wanted in said
    for limit in LIMITS:
        assert limit in said
    assert "<script>" not in said
    assert not re.search(r'(src|href)="(?!data:|flags/)', said), "nothing is fetched from elsewhere"


def test_what_is_not_known_is_said() -> None:
    one = flag(
        label=Label.NOT_ENOUGH_EVIDENCE, probability=None, track_id=None, box=None, clip=ClipState.MISSING,
        clip_why="no space left", reporter="",
    )  # fmt: skip
    said = page(compiled([one, one], events=[], copies={one.id: ExportFiles()}))
    assert "2 flagged moments" in said
    assert "P(fake) unknown" in said
    assert "the picture as a whole" in said
    assert "missing: no space left" in said
    assert "not yet" in said
    assert "person, 2026" in said


def test_what_was_left_out_and_what_is_gone_is_named() -> None:
    one = flag(clip=ClipState.KEPT)
    copies = ExportFiles(missing=("trace.json",), left_out={"clip.mp4": "nobody knows whose faces it shows"})
    said = page(compiled([one], events=[], copies={one.id: copies}, blurred=True))
    assert "no longer there:</strong> trace.json." in said
    assert "Left out:</strong> clip.mp4, because nobody knows whose faces it shows." in said
    assert BLURRED in said
    assert "href=" not in said, "there is no clip to go to"
