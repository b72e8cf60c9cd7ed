import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import av
import jsonschema
import pytest
from support.certificates import write_signing_files
from support.clips import video
from support.json_schema import REPORT_FILE
from support.signed_media import AI, created, picture, sign

from monitor import api
from monitor.media.sources import open_source


def results(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_the_demo_becomes_a_report_a_timeline_and_a_video(cli: Callable, tmp_path: Path) -> None:
    said = cli("analyze", "demo:", "--out", "kept")
    assert said.code == 0, said.err
    assert results(tmp_path / "kept") == ["demo", "demo/annotated.mp4", "demo/report.json", "demo/timeline.csv"]
    report = json.loads((tmp_path / "kept" / "demo" / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, json.loads(REPORT_FILE.read_text(encoding="utf-8")))
    assert report["frames"]["analysed"] == 30
    assert report["source"]["synthetic"]
    assert len(report["tracks"]) >= 1
    with av.open(tmp_path / "kept" / "demo" / "annotated.mp4") as container:
        assert sum(1 for _ in container.decode(video=0)) == 30
    rows = (tmp_path / "kept" / "demo" / "timeline.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) > 5, "five scores per second and face, and a header"
    assert "demo:" in said.out
    assert "annotated.mp4" in said.out


def test_content_credentials_are_printed_after_the_verdict(cli: Callable, tmp_path: Path) -> None:
    signer = write_signing_files(tmp_path / "signer")
    path = tmp_path / "a.jpg"
    path.write_bytes(sign(picture(side=200), signer, actions=[created(AI)]))
    done = cli("analyze", str(path), "--out", str(tmp_path / "out"))
    lines = done.out.splitlines()
    assert "not enough evidence" in lines[0]
    (line,) = (line for line in lines if line.startswith("  content credentials  "))
    assert "signed by Jane Doe (Example News)" in line
    assert "They say that the file was made by generative AI." in line


def test_one_bad_file_never_stops_the_rest(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video at all")
    said = cli("analyze", "notes.mp4", "demo:", "absent.mp4", "--out", "kept", "--no-video")
    assert said.code == 3
    assert results(tmp_path / "kept") == ["demo", "demo/report.json", "demo/timeline.csv"]
    assert said.err.count("error:") == 2
    assert said.out.count("could not be analysed") == 2, "in the summary table"


def test_json_is_the_only_output_on_stdout(cli: Callable, tmp_path: Path) -> None:
    clip = video(tmp_path / "bars.mp4", frames=6)
    said = cli("analyze", clip, "absent.mp4", "--json", "--no-video")
    assert said.code == 3
    whole, failed = json.loads(said.out)
    assert whole["label"] == "NOT_ENOUGH_EVIDENCE"
    assert whole["reasons"] == ["NO_FACE"]
    assert whole["frames"]["frames_analysed"] == whole["frames"]["frames_read"] == 6
    assert "absent.mp4" in failed["error"]


def test_a_folder_is_expanded_to_its_files(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "Füße und 顔").mkdir()
    for name in ("b.mp4", "a.mkv"):
        video(tmp_path / "Füße und 顔" / name, frames=4)
    said = cli("analyze", "Füße und 顔", "--no-video", "--json")
    assert said.code == 0, said.err
    assert [Path(one["source"]).name for one in json.loads(said.out)] == ["a.mkv", "b.mp4"]


def test_a_folder_names_what_was_left_out(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    video(tmp_path / "in" / "sub" / "inner.mp4", frames=3)
    (tmp_path / "in" / "notes.txt").write_text("nothing to see")
    said = cli("analyze", "in", "--no-video", "--json")
    assert said.code == 0, "a text is no picture"
    whole, text = json.loads(said.out)
    assert Path(whole["source"]).name == "inner.mp4"
    assert text == {
        "source": "in/notes.txt",
        "left_out": "is no video or image by its name (*.txt)",
        "may_be_media": False,
    }
    (tmp_path / "in" / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    said = cli("analyze", "in", "--no-video")
    assert said.code == 3, "a picture may have been missed"
    assert "left out: in/notes.txt: is no video" in said.err
    assert "left out: in/gone.mp4: is a link to a file that does not exist" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["analyze"], "Missing argument"),
        (["analyze", "demo:", "--backend", "abacus"], "abacus"),
        (["analyze", "demo:", "--set", "tracker.max_age"], "STAGE.NAME=VALUE"),
        (["analyze", "demo:", "--set", "tracker.max_age=-1"], "tracker.max_age"),
        (["analyze", "demo:", "--settings", "absent.toml"], "absent.toml"),
    ],
)
def test_wrong_usage_is_one_sentence(cli: Callable, tmp_path: Path, arguments: list[str], words: str) -> None:
    said = cli(*arguments)
    assert said.code in (1, 2)
    assert words in said.err
    assert results(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file, not a folder")
    said = cli("analyze", "demo:", "--out", "kept/deep")
    assert said.code == 1
    assert "cannot be written" in said.err
    assert results(tmp_path) == ["kept"]


def test_missing_weights_are_an_error_and_no_face_is_scored(cli: Callable, tmp_path: Path) -> None:
    said = cli("analyze", "demo:", "--set", "classifier.weights=absent.safetensors")
    assert said.code == 1
    assert "absent.safetensors" in said.err
    assert results(tmp_path) == []


def test_an_interrupted_analysis_leaves_nothing_behind(
    cli: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("monitor.runtime.Session.wait", interrupted)
    said = cli("analyze", "demo:", "--out", "kept")
    assert said.code == 130
    assert results(tmp_path) == []


def test_an_internal_error_in_one_file_never_stops_the_rest(
    cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(frame, observation):
        raise RuntimeError("nobody thought of this")

    def fragile(source, **others):
        return api.analyze(source, **others | ({"sinks": [broken]} if "bad" in source.info.name else {}))

    door = SimpleNamespace(analyze=fragile, load_engines=api.load_engines)
    monkeypatch.setattr("monitor.cli.analyze.api", door)
    for name in ("bad.mp4", "good.mp4"):
        video(tmp_path / name, frames=3)
    said = cli("analyze", "bad.mp4", "good.mp4", "--no-video", "--json")
    assert said.code == 1
    bad, good = json.loads(said.out)
    assert "nobody thought of this" in bad["error"]
    assert good["frames"]["frames_analysed"] == 3


def test_a_live_source_is_refused_in_favour_of_watch(
    cli: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def live(name, settings):
        source = open_source(name, settings)
        source.info = replace(source.info, live=True)
        return source

    monkeypatch.setattr("monitor.cli.analyze.open_isolated", live)
    said = cli("analyze", "demo:", "--out", "kept")
    assert said.code == 2
    assert "watch" in said.err
    assert not (tmp_path / "kept").exists()
