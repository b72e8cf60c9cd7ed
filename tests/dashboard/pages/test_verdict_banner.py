"""The verdict on an analysed file; tests/dashboard/pages/test_pages.py runs the page Analyse in a browser."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from monitor.dashboard.pages.verdict_banner import blindness, remedies
from monitor.results.key_frames import LIST_FILE, KeyFrame
from monitor.system import jpeg
from monitor.types import Label

pytestmark = pytest.mark.usefixtures("own_service")


def report(label: Label, **changes: Any) -> dict[str, Any]:
    verdict = {"label": label, "in_words": "The verdict.", "track_id": 8, "probability": 0.5, "reasons": []}
    spans = [{"track_id": track, "start": start, "end": start + 1} for track, start in ((8, 2.0), (3, 3.0), (8, 5.0))]
    model = {"blind_generators": ["Sonic", "STIT"]}
    plain = {"verdict": verdict, "model": model, "segments": spans, "source": {"still": False}, "settings": {}}
    return {**plain, **changes}


def banner(content: dict[str, Any], folder: Path) -> AppTest:
    def show(content: dict, folder: str) -> None:  # type: ignore[type-arg]  # its source runs alone
        from pathlib import Path

        from monitor.dashboard.pages.verdict_banner import show_banner

        show_banner("talk.mp4", content, folder=Path(folder), analysis_id="a1")

    app = AppTest.from_function(show, args=(content, str(folder)), default_timeout=60).run()
    assert not app.exception
    return app


def picture(folder: Path, **measures: float) -> None:
    """A key frame of face 8 at 0:05.4, with these measures."""
    size, sharpness, brightness = (measures.get(name, 200.0) for name in ("size", "sharpness", "brightness"))
    moment = KeyFrame(8, 135, 5.4, 1.5, size, sharpness, brightness, "key-frame-0.jpg")
    record = asdict(moment)
    del record["jpeg"], record["plain_jpeg"]
    (folder / LIST_FILE).write_text(json.dumps([record]))
    (folder / moment.file).write_bytes(jpeg.encode(np.zeros((40, 40, 3), np.uint8), quality=85))


def test_likely_real_is_no_proof_and_names_the_generators_that_pass(tmp_path: Path) -> None:
    app = banner(report(Label.LIKELY_REAL), tmp_path)
    assert not app.success, "a green box looks like proof"
    assert "Likely real is not proof" in app.info[0].value
    assert "could not tell fakes by Sonic and STIT from genuine footage" in app.info[0].value


@pytest.mark.parametrize("label", Label)
def test_every_verdict_says_that_only_faces_were_examined_and_how_to_read_it(tmp_path: Path, label: Label) -> None:
    app = banner(report(label, settings={"verdict": {"preset": "wall"}}), tmp_path)
    (box,) = [*app.error, *app.warning, *app.info]
    assert "Only faces were examined: not the voice" in box.value
    (reading,) = app.expander
    assert reading.label == "How to read this result"
    assert "**suspicious** from 90 % on" in reading.markdown[0].value


def test_an_older_report_has_a_banner_without_generators(tmp_path: Path) -> None:
    app = banner(report(Label.LIKELY_REAL, model={}), tmp_path)
    assert "Likely real is not proof" in app.info[0].value


@pytest.mark.parametrize(
    ("label", "kind"),
    [(Label.LIKELY_FAKE, "error"), (Label.SUSPICIOUS, "warning"), (Label.NOT_ENOUGH_EVIDENCE, "info")],
)
def test_other_labels_do_not_name_them(label: Label, kind: str, tmp_path: Path) -> None:
    (box,) = banner(report(label), tmp_path).get(kind)
    assert box.value.startswith("The verdict.")
    assert "Sonic" not in box.value


def test_an_undecided_verdict_gets_the_advice_that_fits_its_reasons() -> None:
    assert remedies(Label.NOT_ENOUGH_EVIDENCE, ["TOO_DARK", "TOO_FEW_SAMPLES"]) == [
        "Brighter footage may help.",
        "A longer recording may help.",
    ]
    assert "larger" not in " ".join(remedies(Label.NOT_ENOUGH_EVIDENCE, ["INCONCLUSIVE"]))
    assert remedies(Label.NOT_ENOUGH_EVIDENCE, ["ENGINE_DEGRADED"]) == []
    assert remedies(Label.SUSPICIOUS, ["TOO_SMALL"]) == []


def test_generators_are_listed_as_a_sentence() -> None:
    assert blindness([]) == ""
    assert " by A, B and C from " in blindness(["A", "B", "C"])
    assert " by A from " in blindness(["A"])


def test_a_suspicion_names_the_face_its_picture_and_its_times(tmp_path: Path) -> None:
    picture(tmp_path)
    app = banner(report(Label.SUSPICIOUS), tmp_path)
    expected = "Face 8: suspicious from 0:02.0 to 0:03.0, 0:05.0 to 0:06.0; highest score at 0:05.4."
    assert expected in app.warning[0].value
    assert "basis" not in app.warning[0].value
    (html,) = app.get("html")
    assert "monitor/analyses/a1/key-frame-0.jpg?" in html.proto.body
    assert 'alt="face 8"' in html.proto.body


def test_a_weak_face_is_called_weak(tmp_path: Path) -> None:
    picture(tmp_path, size=55.0, brightness=42.0)
    text = banner(report(Label.SUSPICIOUS), tmp_path).warning[0].value
    assert "**There, this face is small and dark** (55 pixels high): a weak basis for a suspicion." in text


def test_a_suspicion_without_pictures_has_its_times(tmp_path: Path) -> None:
    app = banner(report(Label.SUSPICIOUS), tmp_path)
    assert "Face 8: suspicious from 0:02.0 to 0:03.0" in app.warning[0].value
    assert "Face 8" not in banner(report(Label.SUSPICIOUS, source={"still": True}), tmp_path).warning[0].value
