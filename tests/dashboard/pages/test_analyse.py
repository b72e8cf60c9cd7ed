"""Single functions of the page Analyse; tests/dashboard/pages/test_pages.py runs the page in a browser."""

import pandas as pd
from streamlit.testing.v1 import AppTest

from monitor.dashboard.pages.analyse import first_moment, opening_moment
from monitor.dashboard.pages.upload_queue import titles_of
from monitor.server.uploads import Upload


def faces() -> None:
    import pandas as pd

    from monitor.dashboard.pages import analyse

    face = {"label": "NOT_ENOUGH_EVIDENCE", "probability": None, "samples": 2, "usable_share": 0.5}
    face |= {"track_id": 1, "first_seen": 0.0, "last_seen": 7.4, "reasons": ["TOO_SMALL", "PROFILE_POSE"]}
    timeline = pd.DataFrame({"track_id": [1, 1, 1, 1, 2], "sample_probability": [0.5, None, 0.25, 0.75, 0.5]})
    analyse._faces({"tracks": [face]}, timeline)


def test_a_face_is_listed_with_label_reasons_and_time_in_plain_text() -> None:
    app = AppTest.from_function(faces, default_timeout=60).run()
    assert not app.exception
    (row,) = app.table[0].value.replace(r"\\", "", regex=True).to_dict("records")
    assert row["label"] == "not enough evidence"
    assert row["reasons"] == "face too small, face turned away"
    assert row["visible"] == "0:00.0 to 0:07.4"
    assert (row["samples"], row["usable samples"]) == ("3", "75 %"), "of the whole file, not up to the worst moment"


def remarks() -> None:
    from monitor.dashboard.pages import analyse

    hint = {"kind": "FROZEN", "detail": "", "start": 3.0, "end": None}
    analyse._remarks({"hints": [hint], "source": {"duration": 8.0, "notes": ["HDR (PQ), **converted**"]}})
    analyse._remarks({"source": {"duration": 8.0}})  # an old report


def test_hints_and_notes_on_the_source_are_shown_and_their_markdown_is_escaped() -> None:
    app = AppTest.from_function(remarks, default_timeout=60).run()
    assert not app.exception
    assert [text.value for text in app.markdown] == [
        ":violet-badge[:material/sensors_off: stream: frozen 0:03.0 to 0:08.0]",
        r":gray-badge[:material/info: source] HDR \(PQ\)\, \*\*converted\*\*",
    ]


def test_a_file_without_faces_has_an_empty_list() -> None:
    def nobody() -> None:
        import pandas as pd

        from monitor.dashboard.pages import analyse

        analyse._faces({"tracks": []}, pd.DataFrame({"track_id": [], "sample_probability": []}))

    assert not AppTest.from_function(nobody, default_timeout=60).run().exception


def test_uploads_of_one_name_are_told_apart_by_their_time() -> None:
    names = {"one": "me.mp4", "two": "me.mp4", "three": "you.mp4"}
    uploads = [
        Upload(id=upload_id, name=name, created_at=f"2026-11-29T10:00:0{second}.250+00:00")
        for second, (upload_id, name) in enumerate(names.items())
    ]
    assert titles_of(uploads) == {
        "one": "me.mp4 (uploaded 2026-11-29 10:00:00 UTC)",
        "two": "me.mp4 (uploaded 2026-11-29 10:00:01 UTC)",
        "three": "you.mp4",
    }


def test_the_player_opens_where_the_verdict_is_reached() -> None:
    words = ["NOT_ENOUGH_EVIDENCE", "SUSPICIOUS", "LIKELY_FAKE", "LIKELY_FAKE"]
    rows = {"media_time": [0.2, 1.0, 2.0, 3.0], "track_id": 1, "label": words, "box_x1": [None, 10.0, 10.0, 10.0]}
    timeline = pd.DataFrame(rows)
    assert opening_moment({"verdict": {"track_id": 1, "label": "LIKELY_FAKE"}}, timeline) == 2.0
    undecided = {"verdict": {"track_id": None, "label": "NOT_ENOUGH_EVIDENCE"}}
    assert opening_moment(undecided, timeline) == 1.0, "the first box"
    assert opening_moment(undecided, timeline[:0]) == 0.0
    span = {"track_id": 1, "start": 0.5, "end": 3.0, "label": "LIKELY_FAKE"}
    assert first_moment(timeline, span) == 2.0
    assert first_moment(timeline, span | {"track_id": 2}) is None
