"""Content credentials in a whole analysis: beside the verdict, never a part of it."""

import json
from pathlib import Path

import pytest
from support.certificates import SigningFiles, write_signing_files
from support.footage import posed
from support.signed_media import AI, created, picture, sign

import monitor
from monitor.analysis.pipeline import Engines
from monitor.errors import UsageError
from monitor.media.video_writer import VideoWriter
from monitor.results import report as report_module
from monitor.settings import CredentialSettings, Settings, SourceSettings
from monitor.types import CredentialState
from monitor.types.serialise import JsonObject


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> SigningFiles:
    return write_signing_files(tmp_path_factory.mktemp("signer"))


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A second of one face."""
    path = tmp_path_factory.mktemp("talk") / "talk.mp4"
    with VideoWriter(path, fps=25) as video:
        for index in range(25):
            video.write(posed((160, 120, 120), width=320, height=240), index / 25)
    return path.read_bytes()


def judged(record: JsonObject) -> JsonObject:
    """The report without the facts about the file."""
    return {key: value for key, value in record.items() if key not in ("created_at", "source", "content_credentials")}


def test_credentials_are_in_the_report_and_never_change_the_verdict(
    tmp_path: Path, talk: bytes, signer: SigningFiles, settings: Settings, engines: Engines
) -> None:
    generated = sign(talk, signer, kind="video/mp4", actions=[created(AI)])
    changed = bytearray(sign(talk, signer, kind="video/mp4"))
    changed[changed.find(b"jumb") + 600] ^= 1
    reports = {}
    for name, content in {"plain": talk, "generated": generated, "changed": bytes(changed)}.items():
        path = tmp_path / name / "talk.mp4"
        path.parent.mkdir()
        path.write_bytes(content)
        reports[name] = monitor.analyze(path, settings=settings, engines=engines, out=tmp_path / name / "out")
    assert {name: found.content_credentials.state for name, found in reports.items() if found.content_credentials} == {
        "plain": CredentialState.NONE,
        "generated": CredentialState.VALID,
        "changed": CredentialState.INVALID,
    }
    records = {name: found.to_dict() for name, found in reports.items()}
    assert records["generated"]["content_credentials"]["ai_use"] == "GENERATED"
    assert records["plain"]["verdict"]["track_id"] is not None
    assert judged(records["generated"]) == judged(records["plain"]) == judged(records["changed"])
    folder = reports["generated"].folder
    assert folder is not None
    stored = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert stored["content_credentials"] == json.loads(json.dumps(records["generated"]["content_credentials"]))


def test_a_source_that_is_no_file_has_none(
    settings: Settings, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_module, "content_credentials", lambda *_: pytest.fail("was read"))
    brief = settings.model_copy(update={"source": SourceSettings(demo_seconds=0.2)})
    report = monitor.analyze("demo:", settings=brief, engines=engines)
    assert report.content_credentials is None
    assert report.to_dict()["content_credentials"] is None


def test_a_wrong_list_of_signers_is_told_before_the_analysis(
    tmp_path: Path, settings: Settings, engines: Engines
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(picture())
    wrong = settings.model_copy(update={"credentials": CredentialSettings(trusted_signers=tmp_path / "gone.pem")})
    with pytest.raises(UsageError, match=r"credentials\.trusted_signers: .*gone\.pem cannot be read"):
        monitor.analyze(path, settings=wrong, engines=engines)
