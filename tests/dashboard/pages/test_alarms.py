"""Alarms of sources that are not on the screen."""

from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from monitor.dashboard.pages.alarms import worst_face
from monitor.types import Label


def face(number: int, label: Label) -> dict[str, object]:
    return {"id": number, "label": label.value}


def stream(*faces: dict[str, object], over: bool = False, seen: bool = True) -> SimpleNamespace:
    now = {"faces": list(faces)} if seen else None
    return SimpleNamespace(
        broadcaster=SimpleNamespace(now=now), status=SimpleNamespace(state=SimpleNamespace(over=over))
    )


def test_the_most_suspicious_face_of_a_source_is_named() -> None:
    faces = face(1, Label.LIKELY_REAL), face(2, Label.LIKELY_FAKE), face(3, Label.SUSPICIOUS)
    found = worst_face(stream(*faces))
    assert found is not None
    assert found["id"] == 2


@pytest.mark.parametrize(
    "calm",
    [stream(face(1, Label.LIKELY_REAL)), stream(), stream(seen=False), stream(face(1, Label.LIKELY_FAKE), over=True)],
)
def test_a_source_without_a_suspicious_face_or_at_its_end_has_none(calm: SimpleNamespace) -> None:
    assert worst_face(calm) is None


def page() -> None:
    import streamlit as st

    from monitor.dashboard.pages.alarms import announce

    found = {name: (name, {"id": 3, "label": "SUSPICIOUS"}) for name in st.session_state.get("suspicious", ())}
    announce(found, shown="door")


def test_each_alarm_of_a_source_off_the_screen_is_told_once_until_it_is_over() -> None:
    app = AppTest.from_function(page, default_timeout=60).run()
    told = []
    for suspicious in (["hall"], ["hall"], ["hall", "door", "yard"], [], ["hall"]):
        app.session_state["suspicious"] = suspicious
        app.run()
        told.append([toast.value for toast in app.toast])
    assert told == [
        ["hall: face 3 is suspicious"],
        [],
        ["yard: face 3 is suspicious"],
        [],
        ["hall: face 3 is suspicious"],
    ]


def test_many_alarms_at_the_same_time_are_told_as_a_number() -> None:
    app = AppTest.from_function(page, default_timeout=60)
    app.session_state["suspicious"] = [f"hall {number}" for number in range(5)]
    app.run()
    assert [toast.value for toast in app.toast] == ["5 more sources are suspicious"]
    app.session_state["suspicious"] = [f"hall {number}" for number in range(6)]
    app.run()
    assert [toast.value for toast in app.toast] == ["hall 5: face 3 is suspicious"]
