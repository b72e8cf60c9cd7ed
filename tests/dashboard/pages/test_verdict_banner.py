"""The verdict on an analysed file; tests/dashboard/pages/test_pages.py runs the page Analyse in a browser."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from monitor.dashboard.pages.verdict_banner import blindness
from monitor.types import Label


def report(label: Label, **changes: Any) -> dict[str, Any]:
    verdict = {"label": label, "in_words": "The verdict.", "track_id": 8, "probability": 0.5, "reasons": []}
    return {"verdict": verdict, "model": {"blind_generators": ["Sonic", "STIT"]}, **changes}


def banner(content: dict[str, Any]) -> AppTest:
    def show(content: dict) -> None:  # type: ignore[type-arg]  # its source runs alone
        from monitor.dashboard.pages.verdict_banner import show_banner

        show_banner("talk.mp4", content)

    app = AppTest.from_function(show, args=(content,), default_timeout=60).run()
    assert not app.exception
    return app


def test_likely_real_is_no_proof_and_names_the_generators_that_pass() -> None:
    app = banner(report(Label.LIKELY_REAL))
    assert not app.success, "a green box looks like proof"
    assert "Likely real is not proof" in app.info[0].value
    assert "could not tell fakes by Sonic and STIT from genuine footage" in app.info[0].value


def test_an_older_report_has_a_banner_without_generators() -> None:
    assert "Likely real is not proof" in banner(report(Label.LIKELY_REAL, model={})).info[0].value


@pytest.mark.parametrize(
    ("label", "kind"),
    [(Label.LIKELY_FAKE, "error"), (Label.SUSPICIOUS, "warning"), (Label.NOT_ENOUGH_EVIDENCE, "info")],
)
def test_other_labels_do_not_name_them(label: Label, kind: str) -> None:
    (box,) = banner(report(label)).get(kind)
    assert box.value.startswith("The verdict.")
    assert "Sonic" not in box.value


def test_generators_are_listed_as_a_sentence() -> None:
    assert blindness([]) == ""
    assert " by A, B and C from " in blindness(["A", "B", "C"])
    assert " by A from " in blindness(["A"])
