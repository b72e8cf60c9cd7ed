import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import DatasetError, OutputError
from monitor.lab.datasets.feedback import (
    COLUMNS,
    FILE_NAME,
    FeedbackRow,
    open_feedback,
    read_feedback,
    read_rows,
    write_rows,
)
from monitor.lab.datasets.record import FakeSpan, FlaggedFace

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "clips/talk/one.mp4", "clips/talk/two.mp4", "b.png", "b.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def table(folder: Path, *lines: str, header: str = ",".join(COLUMNS)) -> Path:
    (folder / FILE_NAME).write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return folder


def row(path: str, label: str, **others: object) -> FeedbackRow:
    return FeedbackRow(path=PurePosixPath(path), label=label, **others)  # type: ignore[arg-type]


class TestRecords:
    def test_the_documented_header_is_read(self, folder: Path) -> None:
        assert (
            ",".join(COLUMNS) == "path,label,track_id,start,end,x1,y1,x2,y2,note,user,created_at,model_id,probability"
        )
        line = "clips/talk/one.mp4,fake,3,1.5,4,10,20,110.5,140,odd mouth,ana,2026-03-01T12:00:00+00:00,m-1,0.4"
        (record,) = read_feedback(table(folder, line))
        assert (record.dataset, record.video_id, record.label) == ("feedback", "clips/talk/one", 1)
        assert record.path == folder / "clips/talk/one.mp4"
        assert record.spans == (FakeSpan(1.5, 4.0),)
        (kept,) = open_feedback(folder).rows
        assert kept.box == (10.0, 20.0, 110.5, 140.0)
        assert (kept.track_id, kept.user, kept.created_at, kept.probability) == (3, "ana", NOON, 0.4)

    def test_path_and_label_suffice(self, folder: Path) -> None:
        table(folder, "a.jpg,REAL", "clips\\talk\\two.mp4,Fake", header="path,label")
        real, fake = read_feedback(folder)
        assert (real.label, real.method, real.spans) == (0, "", None)
        assert (fake.label, fake.video_id, fake.spans) == (1, "clips/talk/two", None)

    def test_unsure_answers_are_left_out_and_counted(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        table(folder, "a.jpg,unsure", "b.png,real", header="path,label")
        with caplog.at_level(logging.WARNING):
            assert [record.video_id for record in read_feedback(folder)] == ["b"]
        assert "1 unsure answers left out" in caplog.text
        assert open_feedback(folder).unsure == 1

    def test_only_unsure_answers_teach_nothing(self, folder: Path) -> None:
        with pytest.raises(DatasetError, match="teaches nothing"):
            read_feedback(table(folder, "a.jpg,unsure", header="path,label"))

    def test_files_of_one_source_are_one_group(self, folder: Path) -> None:
        table(folder, "clips/talk/one.mp4,fake", "clips/talk/two.mp4,real", "a.jpg,real", header="path,label")
        assert [record.group for record in read_feedback(folder)] == ["clips/talk", "clips/talk", "a"]

    def test_files_that_differ_in_their_suffix_alone_stay_apart(self, folder: Path) -> None:
        table(folder, "b.jpg,fake", "b.png,real", header="path,label")
        assert [record.video_id for record in read_feedback(folder)] == ["b.jpg", "b.png"]

    def test_a_span_that_is_fake_and_one_that_is_real_make_one_record(self, folder: Path) -> None:
        lines = ("clips/talk/one.mp4,fake,8,9", "clips/talk/one.mp4,fake,1,2", "clips/talk/one.mp4,real,4,6")
        (record,) = read_feedback(table(folder, *lines, header="path,label,start,end"))
        assert record.spans == (FakeSpan(1.0, 2.0), FakeSpan(8.0, 9.0))

    def test_a_fake_answer_without_a_span_means_the_whole_file(self, folder: Path) -> None:
        lines = ("clips/talk/one.mp4,fake,8,9", "clips/talk/one.mp4,fake,,")
        (record,) = read_feedback(table(folder, *lines, header="path,label,start,end"))
        assert record.spans is None


class TestFaces:
    HEADER = "path,label,track_id,x1,y1,x2,y2"

    def test_each_flagged_face_of_a_file_is_a_record_of_its_own(self, folder: Path) -> None:
        lines = ("a.jpg,real,1,60,80,360,380", "a.jpg,fake,2,520,150,700,330")
        real, fake = read_feedback(table(folder, *lines, header=self.HEADER))
        assert [(one.video_id, one.label, one.group) for one in (real, fake)] == [
            ("a/face-1", 0, "a"),
            ("a/face-2", 1, "a"),
        ]
        assert real.path == fake.path
        assert real.flagged == (FlaggedFace((60, 80, 360, 380)),)
        assert fake.flagged == (FlaggedFace((520, 150, 700, 330)),)

    def test_boxes_alone_tell_faces_apart(self, folder: Path) -> None:
        lines = ("a.jpg,real,60,80,360,380", "a.jpg,fake,520,150,700,330")
        found = open_feedback(table(folder, *lines, header="path,label,x1,y1,x2,y2"))
        assert [record.label for record in found.records] == [0, 1]
        assert (found.superseded, found.disputed) == (0, ())

    def test_one_of_several_faces_without_a_box_is_left_out_and_counted(
        self, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        table(folder, "a.jpg,real,1,,,,", "a.jpg,fake,2,520,150,700,330", header=self.HEADER)
        found = open_feedback(folder)
        assert [(record.label, record.video_id) for record in found.records] == [(1, "a/face-2")]
        assert found.unplaced == 1
        assert [kept.track_id for kept in found.rows] == [2]
        read_feedback(folder)
        assert "1 answers left out that name one of several faces without its box" in caplog.text

    def test_boxes_hold_for_their_spans(self, folder: Path) -> None:
        header = "path,label,track_id,start,end,x1,y1,x2,y2"
        lines = ("clips/talk/one.mp4,fake,1,1,2,0,0,9,9", "clips/talk/one.mp4,fake,1,4,5,5,0,14,9")
        (record,) = read_feedback(table(folder, *lines, header=header))
        assert record.flagged == (FlaggedFace((0, 0, 9, 9), 1.0, 2.0), FlaggedFace((5, 0, 14, 9), 4.0, 5.0))
        assert record.spans == (FakeSpan(1.0, 2.0), FakeSpan(4.0, 5.0))

    def test_a_real_span_says_nothing_of_the_rest(self, folder: Path) -> None:
        (record,) = read_feedback(table(folder, "clips/talk/one.mp4,real,4,6", header="path,label,start,end"))
        assert record.flagged == (FlaggedFace(None, 4.0, 6.0),)


class TestAnswers:
    def test_a_persons_newest_answer_counts(self, folder: Path) -> None:
        rows = [
            row("a.jpg", "fake", user="ana", created_at=NOON + timedelta(hours=1)),
            row("a.jpg", "real", user="ana", created_at=NOON),
        ]
        write_rows(folder, rows)
        found = open_feedback(folder)
        assert [record.label for record in found.records] == [1]
        assert found.superseded == 1

    def test_without_times_the_last_row_counts(self, folder: Path) -> None:
        found = open_feedback(table(folder, "a.jpg,fake", "a.jpg,real", header="path,label"))
        assert [record.label for record in found.records] == [0]

    def test_who_is_no_longer_sure_takes_the_answer_back(self, folder: Path) -> None:
        found = open_feedback(table(folder, "a.jpg,fake", "a.jpg,unsure", "b.png,real", header="path,label"))
        assert [record.video_id for record in found.records] == ["b"]
        assert (found.unsure, found.superseded) == (1, 1)

    def test_people_who_disagree_make_it_disputed(self, folder: Path) -> None:
        table(folder, "a.jpg,fake,ana", "a.jpg,real,bo", "b.png,real,bo", header="path,label,user")
        found = open_feedback(folder)
        assert [record.video_id for record in found.records] == ["b"]
        assert found.disputed == ("a.jpg",)
        assert "1 files disputed and left out, such as a.jpg" in found.in_words

    @pytest.mark.parametrize(
        ("fake", "real", "disputed"),
        [
            ("1,,", "2,,", False),
            ("1,,", "1,,", True),
            ("1,,", ",,", True),
            (",0,5", ",4,6", True),
            (",0,4", ",4,6", False),
        ],
    )
    def test_only_the_same_moment_of_the_same_face_can_be_disputed(
        self, folder: Path, fake: str, real: str, disputed: bool
    ) -> None:
        header = "path,label,user,track_id,start,end"
        table(folder, f"clips/talk/one.mp4,fake,ana,{fake}", f"clips/talk/one.mp4,real,bo,{real}", header=header)
        assert bool(open_feedback(folder).disputed) is disputed


class TestHostileRows:
    @pytest.mark.parametrize(
        ("header", "line", "sentence"),
        [
            ("path,label", "a.jpg,maybe", "must be real, fake or unsure"),
            ("path,label", "../secret.jpg,fake", "leads out of the folder"),
            ("path,label", "/etc/passwd,fake", "leads out of the folder"),
            ("path,label", "clips/../../x.jpg,fake", "leads out of the folder"),
            ("path,label", ",fake", "leads out of the folder"),
            ("path,label", "gone.jpg,fake", "there is no file 'gone.jpg'"),
            ("path,label", f"{'n' * 3000},fake", "no file|out of the folder"),
            ("path,label", f"{'n' * 5000},fake", "more than 4000 characters"),
            ("path,label", "a.jpg", "has 1 cells"),
            ("path,label", 'a.jpg,"fake', "is no CSV table"),
            ("path,lable", "a.jpg,fake", "lacks label"),
            ("path,label,colour", "a.jpg,fake,red", "has 'colour'"),
            ("path,label,label", "a.jpg,fake,real", "a column twice"),
            ("path,label,start,end", "a.jpg,fake,2,1", "0 <= start < end"),
            ("path,label,start,end", "a.jpg,fake,2,", "all of them or none"),
            ("path,label,start,end", "a.jpg,fake,nan,inf", "finite numbers"),
            ("path,label,x1,y1,x2,y2", "a.jpg,fake,1,2,3", "has 5 cells"),
            ("path,label,x1,y1,x2,y2", "a.jpg,fake,5,0,4,9", "x1 < x2"),
            ("path,label,x1,y1,x2,y2", "a.jpg,fake,0,0,1e9,1e9", "65536 at most"),
            ("path,label,probability", "a.jpg,fake,1.5", "1 at most"),
            ("path,label,probability", "a.jpg,fake,-0.5", "within 0 and 1"),
            ("path,label,track_id", "a.jpg,fake,-3", "whole number above 0"),
            ("path,label,track_id", "a.jpg,fake,99999999999999999999", "whole number above 0"),
            ("path,label,created_at", "a.jpg,fake,2026-03-01T12:00:00", "with a time zone"),
            ("path,label,created_at", "a.jpg,fake,yesterday", "ISO 8601"),
        ],
    )
    def test_each_is_one_sentence(self, folder: Path, header: str, line: str, sentence: str) -> None:
        table(folder, line, header=header)
        with pytest.raises(DatasetError, match=sentence) as caught:
            open_feedback(folder)
        assert len(str(caught.value).splitlines()) == 1
        assert len(str(caught.value)) < 500

    def test_a_link_out_of_the_folder_is_refused(self, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        outside = tmp_path_factory.mktemp("outside") / "x.jpg"
        outside.write_bytes(b"x")
        (folder / "link.jpg").symlink_to(outside)
        with pytest.raises(DatasetError, match="leads out of the folder"):
            open_feedback(table(folder, "link.jpg,fake", header="path,label"))

    def test_bytes_that_are_no_text(self, folder: Path) -> None:
        (folder / FILE_NAME).write_bytes(b"path,label\n\xff\xfe,fake\n")
        with pytest.raises(DatasetError, match="UTF-8"):
            open_feedback(folder)

    def test_no_table_and_an_empty_one(self, folder: Path) -> None:
        with pytest.raises(DatasetError, match="does not exist"):
            open_feedback(folder)
        (folder / FILE_NAME).write_bytes(b"")
        with pytest.raises(DatasetError, match="lacks path, label"):
            open_feedback(folder)


class TestWriting:
    def test_what_is_written_is_read(self, folder: Path) -> None:
        rows = [
            row("a.jpg", "fake", track_id=2, start=0.25, end=1.75, box=(1.5, 2.0, 30.25, 40.0), created_at=NOON),
            row("b.png", "unsure", note='=1+1, "quoted"\nsecond line', user="-x", model_id="'m", probability=0.625),
        ]
        assert write_rows(folder, rows) == folder / FILE_NAME
        assert read_rows(folder) == rows
        assert "\n=1+1" not in (folder / FILE_NAME).read_text(encoding="utf-8")

    @given(text=st.text(max_size=60), start=st.floats(0, 1e6), length=st.floats(0.5, 1e3))
    @settings(max_examples=60, deadline=None)
    def test_any_note_survives(self, tmp_path_factory: pytest.TempPathFactory, text: str, start: float, length: float):
        folder = tmp_path_factory.mktemp("notes")
        (folder / "a.jpg").write_bytes(b"x")
        try:
            text.encode()
        except UnicodeEncodeError:
            text = ""
        written = row("a.jpg", "real", note=text, start=start, end=start + length)
        write_rows(folder, [written])
        (found,) = read_rows(folder)
        assert (found.start, found.end) == (written.start, written.end)
        assert found.note == text.replace("\0", "").strip()

    def test_a_file_in_the_way_is_one_sentence(self) -> None:
        with pytest.raises(OutputError, match="cannot be written"):
            write_rows(Path(__file__), [])
