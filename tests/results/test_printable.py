"""The page of a result that people print or send."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.observations import segment, source_info, summary
from support.reports import written_report

from monitor.errors import OutputError
from monitor.results.key_frames import KeyFrame, KeyFrameRecorder
from monitor.results.printable import NO_PROOF, printable
from monitor.results.report import Provenance
from monitor.system import jpeg
from monitor.types import AiUse, ContentCredentials, CredentialState, Hint, HintKind, Label, Reason, SourceVerdict

FAKE = SourceVerdict(Label.LIKELY_FAKE, 0.95, 1, ())
REAL = SourceVerdict(Label.LIKELY_REAL, 0.1, 1, ())
NOBODY = SourceVerdict(Label.NOT_ENOUGH_EVIDENCE, None, None, (Reason.NO_FACE,))


def written(folder: Path, provenance: Provenance, verdict: SourceVerdict, **finish: Any) -> Path:
    written_report(folder, provenance, verdict, **finish)
    return folder


def test_the_page_holds_verdict_spans_faces_notes_and_limits(tmp_path: Path, provenance: Provenance) -> None:
    source = source_info(name="talk <b>.mp4", notes=("HDR (PQ), converted",))
    written(
        tmp_path,
        replace(provenance, source=source),
        FAKE,
        segments=[segment(1, 1.0, 2.0, Label.LIKELY_FAKE, 0.96)],
        tracks=[summary(1, Label.LIKELY_FAKE), summary(2, Label.NOT_ENOUGH_EVIDENCE, None)],
    )
    page = printable(tmp_path)
    assert "<h1>talk &lt;b&gt;.mp4</h1>" in page
    for text in ("likely fake</span>", "face 1 looks manipulated", "0:01.0 to 0:02.0", "HDR (PQ), converted"):
        assert text in page
    assert provenance.model.limits in page
    assert "not enough evidence" in page
    assert NO_PROOF not in page
    assert "<script" not in page


def test_likely_real_is_called_no_proof(tmp_path: Path, provenance: Provenance) -> None:
    assert NO_PROOF in printable(written(tmp_path, provenance, REAL))


def test_a_result_without_faces_says_so(tmp_path: Path, provenance: Provenance) -> None:
    page = printable(written(tmp_path, provenance, NOBODY))
    assert "None was found." in page
    assert "Not enough evidence" in page


def test_hints_on_the_stream_are_listed(tmp_path: Path, provenance: Provenance) -> None:
    written(tmp_path, provenance, NOBODY)
    report = json.loads((tmp_path / "report.json").read_text())
    report["hints"] = [Hint(HintKind.FROZEN, 3.0, 8.0, "the same picture").to_dict()]
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert f"{HintKind.FROZEN.in_words} (the same picture), 0:03.0 to 0:08.0" in printable(tmp_path)


def test_the_strongest_samples_are_in_the_page_itself(tmp_path: Path, provenance: Provenance) -> None:
    written(tmp_path, provenance, FAKE)
    recorder = KeyFrameRecorder()
    recorder._faces[3] = [KeyFrame(3, 7, 1.5, 2.0, jpeg=jpeg.encode(np.zeros((8, 8, 3), np.uint8), quality=85))]
    recorder.write(tmp_path)
    page = printable(tmp_path)
    assert page.count("data:image/jpeg;base64,") == 1
    assert "face 3 at 0:01.5" in page


def test_content_credentials_are_a_section_of_their_own(tmp_path: Path, provenance: Provenance) -> None:
    credentials = ContentCredentials(CredentialState.VALID, signer="<b>Ada", ai_use=AiUse.GENERATED)
    written(tmp_path, replace(provenance, credentials=credentials), REAL)
    page = printable(tmp_path)
    section = page.split("<h2>Content credentials of the file</h2>")[1].split("<h2>")[0]
    assert "signed by &lt;b&gt;Ada" in section
    assert "made by generative AI" in section
    assert "do not change the verdict" in section
    assert '<span class="label">likely real</span>' in page


def test_a_result_without_the_key_has_no_section_for_credentials(tmp_path: Path, provenance: Provenance) -> None:
    written(tmp_path, provenance, REAL)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report.pop("content_credentials") is None
    (tmp_path / "report.json").write_text(json.dumps(report))  # as earlier versions wrote it
    assert "Content credentials" not in printable(tmp_path)


@pytest.mark.parametrize("content", [None, "no JSON", "{}"])
def test_a_missing_or_damaged_report_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "report.json").write_text(content)
    with pytest.raises(OutputError, match="cannot be shown"):
        printable(tmp_path)
