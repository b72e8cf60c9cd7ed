"""``deepfake-monitor --server URL analyze`` against a real server on loopback."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest
from support.clips import video
from support.footage import posed
from support.remote import Remote, remote_server

from monitor.analysis.pipeline import Engines
from monitor.client import Client
from monitor.server.auth.user import Role


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory, engines: Engines) -> Iterator[Remote]:
    with remote_server(tmp_path_factory.mktemp("server"), engines) as server:
        yield server


@pytest.fixture
def ask(cli: Callable, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable:
    """The command line with the server and a reviewer's key from the environment."""
    monkeypatch.setenv("DEEPFAKE_MONITOR_KEY", remote.key(Role.REVIEWER))
    cv2.imwrite(str(tmp_path / "talk.png"), posed((160, 120, 120), width=320, height=240)[..., ::-1])
    video(tmp_path / "bars.mp4", frames=6)
    (tmp_path / "notes.mp4").write_text("no video at all")
    return lambda *arguments: cli("--server", remote.url, *arguments)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_json_is_that_of_the_command_on_this_machine(ask: Callable, cli: Callable, tmp_path: Path) -> None:
    arguments = ("analyze", "talk.png", "notes.mp4", "bars.mp4", "absent.mp4", "--json")
    there, here = ask(*arguments), cli(*arguments, "--no-video")
    assert there.code == here.code == 3
    found, expected = json.loads(there.out), json.loads(here.out)
    for remote, local in zip(found, expected, strict=True):
        assert remote.keys() == local.keys()
        for key in remote.keys() - {"frames", "folder", "error"}:
            assert remote[key] == local[key], key
        counts = ("frames_read", "frames_analysed", "dropped", "lost")
        assert [remote.get("frames", {}).get(name) for name in counts] == [
            local.get("frames", {}).get(name) for name in counts
        ]
        assert (remote["error"] is None) == (local["error"] is None)
        assert remote.get("folder") is None, "nothing is downloaded without --out"
    assert names(tmp_path) == ["bars.mp4", "notes.mp4", "results", *names(tmp_path)[3:]]


def test_text_is_that_of_the_command_on_this_machine(ask: Callable, cli: Callable, tmp_path: Path) -> None:
    there = ask("analyze", "talk.png", "bars.mp4", "--out", "there", "--no-video")
    here = cli("analyze", "talk.png", "bars.mp4", "--out", "here", "--no-video")
    assert (there.code, here.code) == (0, 0), there.err
    assert there.out == here.out.replace("here/", "there/")
    assert names(tmp_path / "there") == names(tmp_path / "here")


def test_the_result_files_are_downloaded(ask: Callable, remote: Remote, tmp_path: Path) -> None:
    said = ask("analyze", "bars.mp4", "--out", "kept")
    assert said.code == 0, said.err
    assert names(tmp_path / "kept") == ["bars", "bars/annotated.mp4", "bars/report.json", "bars/timeline.csv"]
    report = json.loads((tmp_path / "kept" / "bars" / "report.json").read_text(encoding="utf-8"))
    assert report["source"]["name"] == "bars.mp4"
    assert report == remote.service.analyses.report(remote.service.analyses.all[0].id)


def test_a_folder_is_expanded_and_names_what_was_left_out(ask: Callable, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    video(tmp_path / "in" / "inner.mp4", frames=3)
    (tmp_path / "in" / "notes.txt").write_text("nothing to see")
    said = ask("analyze", "in", "--json")
    assert said.code == 0, said.err
    assert [Path(one["source"]).name for one in json.loads(said.out)] == ["inner.mp4", "notes.txt"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["analyze", "rtsp://user:hidden@camera/live"], 1, "upload the file instead"),  # a reviewer's key
        (["doctor"], 2, "`doctor` works on this machine only"),
        (["lab", "scan"], 2, "`lab` works on this machine only"),
        (["--key-file", "absent.key", "analyze", "bars.mp4"], 2, "absent.key cannot be read"),
        (["--key-file", "notes.mp4", "analyze", "bars.mp4"], 2, "characters that no key has"),
        (["analyze", "bars.mp4", "--out", "notes.mp4/deep"], 1, "cannot be written"),
        (["analyze"], 2, "Missing argument"),
    ],
)
def test_what_is_not_possible_is_one_sentence(ask: Callable, arguments: list[str], code: int, words: str) -> None:
    said = ask(*arguments)
    assert (said.code, words in said.err) == (code, True), said.err
    assert "hidden" not in said.err + said.out


def test_a_key_comes_from_a_file_and_a_wrong_one_is_refused_once(
    ask: Callable, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPFAKE_MONITOR_KEY", "dfm_0123456789ab_" + "0" * 64)
    said = ask("analyze", "bars.mp4", "talk.png", "--json")
    assert said.code == 1
    assert [("unknown" in one["error"], "0123456789ab" in one["error"]) for one in json.loads(said.out)] == [
        (True, False),
        (True, False),
    ]
    (tmp_path / "own.key").write_text(f"{remote.key(Role.REVIEWER)}\n")
    assert ask("--key-file", "own.key", "analyze", "bars.mp4").code == 0
    (tmp_path / "own.key").write_text("\n")
    assert "is empty" in ask("--key-file", "own.key", "analyze", "bars.mp4").err


def test_a_server_that_does_not_answer_is_one_sentence(cli: Callable, tmp_path: Path) -> None:
    video(tmp_path / "bars.mp4", frames=3)
    said = cli("--server", "http://127.0.0.1:9", "analyze", "bars.mp4")
    assert (said.code, "http://127.0.0.1:9 does not answer" in said.err) == (1, True), said.err
    assert "write it like" in cli("--server", "127.0.0.1:9", "analyze", "bars.mp4").err
    assert "--server" in cli("--key-file", "own.key", "analyze", "bars.mp4").err


def test_an_interrupted_command_cancels_its_analysis(
    ask: Callable, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    analyses = remote.service.analyses
    analyses._worker.do(lambda: bool(analyses._closing.wait(3)) or None)  # so that it is queued
    monkeypatch.setattr(Client, "wait", interrupt)
    said = ask("analyze", "bars.mp4")
    assert said.code in (1, 130)
    assert analyses.all[0].state == "cancelled"


def test_the_key_in_the_environment_is_no_setting(ask: Callable, cli: Callable) -> None:
    said = cli("flags", "list", "--set", "evidence.folder=kept")
    assert said.code == 0, said.err
