"""The client against the real server on loopback; tests/client/test_transport.py has the failures."""

import doctest
import inspect
import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from support.api_client import api_server, api_service
from support.clips import video
from support.flagging import flag
from support.remote import QUICK, Remote

import monitor.client
from monitor.client import AnalysisAnswer, AsyncClient, Client
from monitor.errors import (
    AccessDeniedError,
    RemoteConflictError,
    RequestRefusedError,
    ResourceNotFoundError,
    ServerUnavailableError,
    SourceNotFoundError,
)
from monitor.flags.bundle import verify
from monitor.server.auth.user import Role
from monitor.types import Label, Opinion


def test_the_example_in_the_docstring_is_true(remote: Remote, png: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(png.parent)
    names = {"url": remote.url, "key": remote.key()}
    failed, tried = doctest.testmod(monitor.client, extraglobs=names)
    assert (failed, tried > 0) == (0, True)


def test_the_package_needs_neither_torch_nor_av() -> None:
    code = "import sys, monitor.client; print([m for m in ('torch', 'av', 'streamlit', 'fastapi') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_both_clients_have_the_same_methods() -> None:
    ours = {name: value for name, value in vars(Client).items() if not name.startswith("_")}
    theirs = {name: value for name, value in vars(AsyncClient).items() if not name.startswith("_")}
    assert ours.keys() == theirs.keys()

    def describe(method: Any) -> list[tuple[Any, ...]]:
        found = inspect.signature(method).parameters.values()
        return [(one.name, one.kind, one.annotation, callable(one.default) or one.default) for one in found]

    assert {name: describe(method) for name, method in ours.items()} == {
        name: describe(method) for name, method in theirs.items()
    }


def test_a_clip_is_uploaded_analysed_read_flagged_and_judged(remote: Remote, tmp_path: Path) -> None:
    """The whole way of issue 19: upload, wait, report, files, list of flags, judgement."""
    clip = video(tmp_path / "bars.mp4", frames=8)
    sent: list[tuple[int, int]] = []
    states: list[AnalysisAnswer] = []
    remote.service.archive.add(flag(0, source="bars.mp4"), {"frame.jpg": b"picture"})
    with remote.client(Role.REVIEWER) as client:
        report = client.analyze(clip, on_upload=lambda *done: sent.append(done), on_progress=states.append)
        assert sent[-1] == (clip.stat().st_size, clip.stat().st_size)
        assert (states[-1].state, states[-1].label) == ("done", Label.NOT_ENOUGH_EVIDENCE)
        assert (report.verdict.label, report.frames.frames_analysed) == (Label.NOT_ENOUGH_EVIDENCE, 8)
        assert (report.source.name, report.failure) == ("bars.mp4", None)
        (analysis,) = client.analyses()
        stored = remote.service.analyses.report(analysis.id)
        assert report.content == stored
        files = {file.name: file.bytes for file in client.result_files(analysis.id)}
        client.download_result(analysis.id, "report.json", tmp_path / "out" / "report.json")
        assert json.loads((tmp_path / "out" / "report.json").read_bytes()) == stored
        assert files["report.json"] == (tmp_path / "out" / "report.json").stat().st_size
        (flagged,) = client.flags(source="bars.mp4", reviewed=False)
        assert flagged == remote.service.archive.store.get(flag(0).id)
        judged = client.judge(flagged.id, opinion=Opinion.REAL, note="a test picture", expected=flagged)
        assert (judged.opinion, judged.note, judged.reviewed_by) == (Opinion.REAL, "a test picture", "key robot")
        with pytest.raises(RemoteConflictError, match="changed"):
            client.judge(flagged.id, opinion=Opinion.FAKE, expected=flagged)
        assert [one.id for one in client.flags(opinion=Opinion.REAL)] == [flagged.id]
        client.download_flag_file(flagged.id, "frame.jpg", tmp_path / "out" / "frame.jpg")
        assert (tmp_path / "out" / "frame.jpg").read_bytes() == b"picture"
        client.export_flags([flagged.id], tmp_path / "out" / "flags.zip")
        assert verify(tmp_path / "out" / "flags.zip").flags == (flagged.id,)
        client.delete_analysis(analysis.id)
        assert list(client.analyses()) == []


def test_all_pages_of_a_list_are_read(remote: Remote) -> None:
    for number in range(205):
        remote.service.archive.store.add(flag(number), actor="ada")
    with remote.client(Role.VIEWER) as client:
        assert [one.id for one in client.flags()] == [flag(number).id for number in reversed(range(205))]


def test_refusals_are_errors_with_the_sentence_of_the_server(remote: Remote, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video at all")
    with remote.client(Role.REVIEWER) as client:
        with pytest.raises(RequestRefusedError, match=r"notes\.mp4") as told:
            client.upload(tmp_path / "notes.mp4")
        assert told.value.exit_code == 3, "as on this machine"
        with pytest.raises(SourceNotFoundError):
            client.upload(tmp_path / "absent.mp4")
        with pytest.raises(AccessDeniedError, match="upload the file"):
            client.submit_address("http://127.0.0.1/a.mp4")
        with pytest.raises(ResourceNotFoundError, match="no analysis none"):
            client.report("none")
        with pytest.raises(ResourceNotFoundError):
            client.flag("../../streams")
        with pytest.raises(AccessDeniedError, match="role admin"):
            client.system()
    with Client(remote.url, key="dfm_0123456789ab_" + "0" * 64) as client, pytest.raises(AccessDeniedError) as told:
        next(client.flags())
    assert told.value.status == 401
    with Client(remote.url) as client, pytest.raises(AccessDeniedError, match="needs a key"):
        client.model()
    assert "dfm" not in repr(remote.client())


def test_an_analysis_is_waited_for_and_cancelled(remote: Remote, png: Path) -> None:
    hold = remote.service.analyses._worker
    hold.do(lambda: remote.service.analyses._closing.wait(60) and None)
    with remote.client(Role.REVIEWER) as client:
        queued = client.upload(png, name="renamed.png")
        assert (queued.state, queued.name, queued.is_over) == ("queued", "renamed.png", False)
        with pytest.raises(ServerUnavailableError, match=r"has not ended within 0\.3 s"):
            client.wait(queued.id, timeout=0.3)
        assert client.cancel_analysis(queued.id).state == "cancelled"
        assert client.wait(queued.id).is_over
    remote.service.analyses._closing.set()


def test_a_stream_is_added_watched_flagged_and_removed(remote: Remote, tmp_path: Path) -> None:
    clip = video(tmp_path / "bars.mp4", frames=50)
    folders = {"media_folders": (tmp_path,)}
    remote.service.settings = remote.service.settings.model_copy(
        update={"dashboard": remote.service.settings.dashboard.model_copy(update=folders)}
    )
    remote.service.begin()
    with remote.client() as client:
        added = client.add_stream(str(clip), name="Door", repeat=True)
        event = next(client.events(types=["stream_opened"], streams=[added.id]))  # it is opened every two seconds
        assert (event.type, event.content["source"]["kind"], bool(event.id)) == ("stream_opened", "file", True)
        found = client.create_flag(added.id, note="look") if _has_picture(client, added.id) else None
        assert found is not None
        assert (found.note, found.reporter) == ("look", "key robot")
        assert client.picture(added.id)[:2] == b"\xff\xd8"
        assert client.rename_stream(added.id, "Gate").name == "Gate"
        client.pause_stream(added.id)
        client.resume_stream(added.id)
        assert [stream.id for stream in client.streams()] == [added.id]
        assert list(client.verdicts(added.id)) == []
        client.remove_stream(added.id)
        with pytest.raises(ResourceNotFoundError):
            client.stream(added.id)
        client.delete_flag(found.id)
        assert client.system().flags == 0
        assert client.model().cards


def _has_picture(client: Client, stream_id: str) -> bool:
    for _ in client.events(types=["frame_analysed"], streams=[stream_id]):
        return True
    return False


def test_a_bundle_is_a_zip_file(remote: Remote, tmp_path: Path) -> None:
    remote.service.archive.add(flag(0), {"frame.jpg": b"picture"})
    with remote.client(Role.REVIEWER) as client:
        client.export_flags([flag(0).id], tmp_path / "flags.zip", blur=True)
    assert "manifest.json" in ZipFile(BytesIO((tmp_path / "flags.zip").read_bytes())).namelist()


def test_a_server_without_a_sign_in_needs_no_key(tmp_path: Path) -> None:
    with api_service(tmp_path / "kept", mode="open") as monitor_service, api_server() as url:
        monitor_service.archive.add(flag(0), {"frame.jpg": b"picture"})
        (tmp_path / "notes.mp4").write_text("no video at all")
        with Client(url, retries=QUICK) as client:  # the address of the API itself is understood, too
            assert client.judge(flag(0).id, opinion=Opinion.REAL).opinion is Opinion.REAL
            client.delete_flag(flag(0).id)
            with pytest.raises(RequestRefusedError):
                client.upload(tmp_path / "notes.mp4")
            with pytest.raises(ResourceNotFoundError):
                client.cancel_analysis("none")
            with pytest.raises(RequestRefusedError, match="live stream or a playlist"):
                client.submit_address("rtsp://127.0.0.1/live")
            assert list(client.streams()) == []
