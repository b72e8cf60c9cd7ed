"""The page Analyse, part by part; tests/dashboard/pages/test_pages.py has it in a browser."""

from streamlit.testing.v1 import AppTest


def faces() -> None:
    from monitor.dashboard.pages import analyse

    face = {"label": "NOT_ENOUGH_EVIDENCE", "probability": None, "samples": 2, "usable_share": 0.5}
    face |= {"track_id": 1, "first_seen": 0.0, "last_seen": 7.4, "reasons": ["TOO_SMALL", "PROFILE_POSE"]}
    analyse._faces({"tracks": [face]})


def test_a_face_is_told_in_the_words_of_every_other_place() -> None:
    app = AppTest.from_function(faces, default_timeout=60).run()
    assert not app.exception
    (row,) = app.dataframe[0].value.to_dict("records")
    assert row["label"] == "not enough evidence"
    assert row["why"] == "face too small, face turned away"
    assert row["seen"] == "0:00.0 to 0:07.4"
