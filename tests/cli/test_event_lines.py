from dataclasses import replace
from pathlib import Path

from rich.text import Text
from support.observations import source_info
from support.provenance import provenance

from monitor.cli import event_lines
from monitor.results.report import Report
from monitor.types import (
    ContentCredentials,
    CredentialState,
    Hint,
    HintKind,
    Label,
    LabelChange,
    Reason,
    Segment,
    SourceVerdict,
    TrackSummary,
    Verdict,
)
from monitor.types.stats import SessionStats

STATS = SessionStats(
    frames_read=300,
    frames_analysed=250,
    dropped={"analysis behind": 50},
    lost={"corrupt packet": 2},
    seconds=10.0,
    latency_p50=0.0312,
    latency_p95=0.0874,
)
CHANGE = LabelChange(
    track_id=3,
    frame_index=310,
    media_time=12.4,
    before=Label.LIKELY_REAL,
    after=Label.SUSPICIOUS,
    probability=0.781,
    window=(9.0, 12.4),
    threshold=0.75,
    reasons=(),
    witnesses=(),
    began=11.5,
    restarted_at=None,
)
VERDICT = Verdict(
    track_id=3,
    label=Label.SUSPICIOUS,
    probability=0.781,
    samples=14,
    effective_samples=1.8,
    usable_share=0.96,
    reasons=(),
    since=12.4,
)
SEGMENT = Segment(
    track_id=3, start=11.5, end=15.9, label=Label.LIKELY_FAKE, peak=0.97, mean=0.9, best_frame=330, best_time=13.2
)


RESULT = Report(
    verdict=SourceVerdict(label=Label.LIKELY_REAL, probability=0.1, track_id=1, reasons=()),
    tracks=(),
    segments=(),
    label_changes=(),
    hints=(),
    frames=STATS,
    provenance=provenance(),
    engines=("onnxruntime-fp32",),
)


def plain(line: str) -> str:
    return Text.from_markup(line).plain


def test_a_change_tells_who_what_and_how_sure() -> None:
    assert plain(event_lines.change_line(CHANGE, VERDICT)) == (
        "   0:12.4  face 3  likely real -> suspicious  P(fake) 78 %, 14 samples, 96 % usable"
    )


def test_coming_and_going() -> None:
    waiting = replace(VERDICT, label=Label.NOT_ENOUGH_EVIDENCE, reasons=(Reason.TOO_FEW_SAMPLES,))
    assert plain(event_lines.appearance_line(waiting, 0.08)) == (
        "   0:00.1  face 3  appears: not enough evidence (too few samples)"
    )
    assert event_lines.appearance_record(waiting, 0.08)["reasons"] == ["TOO_FEW_SAMPLES"]
    summary = TrackSummary(track_id=3, first_seen=0.0, last_seen=20.0, verdict=VERDICT, label_seconds={})
    assert plain(event_lines.departure_line(summary)) == "   0:20.0  face 3  is gone: suspicious, P(fake) 78 %"
    assert event_lines.departure_record(summary)["label"] == "SUSPICIOUS"


def test_a_segment_and_the_status() -> None:
    line = plain(event_lines.segment_line(SEGMENT))
    assert "face 3  0:11.5 to 0:15.9  likely fake, highest score of one picture 97 %" in line
    assert "P(fake)" not in line, "that is the name of a verdict's probability"
    assert plain(event_lines.status_line(STATS)) == (
        "25.0 fps, 250 frames, latency p50 31 ms, p95 87 ms, dropped: 50 analysis behind, 2 corrupt packet"
    )


def test_a_whole_result(tmp_path: Path) -> None:
    (tmp_path / "report [1].json").touch()
    verdict = SourceVerdict(
        label=Label.NOT_ENOUGH_EVIDENCE, probability=None, track_id=None, reasons=(Reason.TOO_SMALL, Reason.TOO_DARK)
    )
    result = replace(RESULT, verdict=verdict, segments=(SEGMENT,), folder=tmp_path)
    assert plain(event_lines.verdict_line(verdict)) == "not enough evidence (face too small, face too dark)"
    assert "report [1].json" in plain(event_lines.result_lines(result)[-1])
    record = event_lines.result_record("cam", result)
    assert record["segments"][0]["start"] == 11.5
    assert record["reasons"] == ["TOO_SMALL", "TOO_DARK"]


def test_a_hint_says_what_is_wrong_with_the_stream_and_when() -> None:
    hint = Hint(HintKind.VIRTUAL_CAMERA, 12.0, None, "Cam [red] 3")
    assert plain(event_lines.hint_line(hint)) == "   0:12.0  stream  virtual camera (Cam [red] 3)"
    over = replace(hint, end=20.04)
    assert plain(event_lines.hint_line(over)) == "   0:20.0  stream  no longer virtual camera"


def test_a_result_tells_the_hints_beside_its_verdict(tmp_path: Path) -> None:
    verdict = SourceVerdict(label=Label.LIKELY_REAL, probability=0.1, track_id=1, reasons=())
    hints = (Hint(HintKind.FROZEN, 3.0, 8.0), Hint(HintKind.LOOPED, 9.0, None, "the same pictures as 4.0 s before"))
    result = replace(RESULT, verdict=verdict, hints=hints)
    found = [plain(line) for line in event_lines.result_lines(result)]
    assert found[0] == "  stream  frozen  0:03.0 to 0:08.0"
    assert found[1] == "  stream  looped (the same pictures as 4.0 s before)  0:09.0 to the end"
    record = event_lines.result_record("a.mp4", result)
    assert record["label"] == "LIKELY_REAL"
    assert [(hint["kind"], hint["end"]) for hint in record["hints"]] == [("FROZEN", 8.0), ("LOOPED", None)]


def test_a_result_tells_how_its_source_was_read() -> None:
    result = replace(RESULT, provenance=replace(provenance(), source=source_info(notes=("HDR [PQ], converted",))))
    assert "  note  HDR [PQ], converted" in [plain(line) for line in event_lines.result_lines(result)]
    assert event_lines.result_record("a.mp4", result)["notes"] == ["HDR [PQ], converted"]
    assert result.to_dict()["source"]["notes"] == ["HDR [PQ], converted"]


def test_content_credentials_are_a_line_of_their_own_and_none_are_no_line() -> None:
    credentials = ContentCredentials(CredentialState.VALID, signer="[bold]Ada")
    result = replace(RESULT, provenance=replace(provenance(), credentials=credentials))
    lines = [plain(line) for line in event_lines.result_lines(result)]
    assert f"  content credentials  {credentials.in_words}" in lines
    assert "signed by [bold]Ada" in credentials.in_words
    assert event_lines.result_record("a.mp4", result)["content_credentials"] == credentials.to_dict()
    without = replace(RESULT, provenance=replace(provenance(), credentials=ContentCredentials(CredentialState.NONE)))
    assert not any("content credentials" in line for line in event_lines.result_lines(without))
    assert event_lines.result_record("rtsp://cam", RESULT)["content_credentials"] is None


def test_the_frames_of_a_stop_are_named_in_plain_words() -> None:
    stopped = SessionStats.counted(7, dropped={"stopped": 3}, lost={})
    assert "dropped: 3 read but not analysed before the end" in event_lines.status_line(stopped)
