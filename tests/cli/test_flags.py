import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.certificates import write_signing_files
from support.flagging import flag

from monitor.flags.archive import FlagArchive
from monitor.settings import EvidenceSettings
from monitor.types import ClipState, Opinion, Origin


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings' folder, with three flags."""
    monkeypatch.setenv("DEEPFAKE_MONITOR_EVIDENCE__FOLDER", str(tmp_path / "kept"))
    with FlagArchive.open(EvidenceSettings(folder=tmp_path / "kept")) as archive:
        for number in range(3):
            one = flag(number, note="[red]look at the mouth" if number == 1 else "")
            archive.store.add(
                replace(one, exhibits=archive.files.create(one.id, {"frame.jpg": b"a picture"})), actor="ada"
            )
        archive.store.review(flag(2).id, actor="bob", opinion=Opinion.REAL)
    return tmp_path / "kept"


def test_flags_are_listed_newest_first(cli: Callable, kept: Path) -> None:
    said = cli("flags", "list")
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [flag(number).id for number in (2, 1, 0)]
    assert "rtsp://cam/live" in lines[1]
    assert "real" in lines[1]
    assert [one["id"] for one in json.loads(cli("flags", "list", "--json").out)] == [flag(n).id for n in (2, 1, 0)]
    assert flag(2).id not in cli("flags", "list", "--open").out
    assert cli("flags", "list", "--text", "MOUTH").out.count("rtsp") == 1
    assert "1 of 3" in cli("flags", "list", "--limit", "1").err
    assert "match" in cli("flags", "list", "--text", "nothing of that kind").err


@pytest.mark.parametrize("columns", ["80", "30"])
def test_a_pipe_gets_whole_ids_and_sources_in_whole_lines(
    cli: Callable, kept: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    source = "rtsp://camera.example.org/a/very/long/path/of/a/camera/that/no/terminal/shows/in/one/line"
    with FlagArchive.open(EvidenceSettings(folder=kept)) as archive:
        archive.store.add(flag(7, source=source), actor="ada")
    monkeypatch.setenv("COLUMNS", columns)
    lines = cli("flags", "list").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [flag(number).id for number in (7, 2, 1, 0)]
    assert lines[1].split()[1] == source


def test_a_unique_begin_of_an_id_names_a_flag(cli: Callable, kept: Path) -> None:
    begin = flag(1).id[:13]
    assert f"{flag(1).id}/frame.jpg" in cli("flags", "show", begin).out
    assert cli("flags", "export", begin, flag(1).id, "--out", "one.zip").out.startswith("one.zip: 1 flags")
    several = cli("flags", "show", flag(1).id[:8])
    assert several.code == 2
    assert f"several flags have an id that begins with {flag(1).id[:8]} ({flag(0).id}, {flag(1).id}" in several.err
    assert cli("flags", "delete", flag(1).id[:8], "--yes").code == 2
    for wrong in ("", "%", "2026%"):
        assert cli("flags", "show", wrong).code == 3
    assert cli("flags", "delete", begin, "--yes").code == 0
    assert flag(1).id not in cli("flags", "list").out


def test_an_empty_archive_says_so(cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_MONITOR_EVIDENCE__FOLDER", str(tmp_path / "new"))
    said = cli("flags", "list")
    assert (said.code, said.out) == (0, "")
    assert "no flags in" in said.err
    assert cli("flags", "export", "--all").code == 2


def test_one_flag_is_shown_with_its_log(cli: Callable, kept: Path) -> None:
    said = cli("flags", "show", flag(1).id)
    assert said.code == 0, said.err
    for wanted in (
        "suspicious, P(fake) 80 %",
        "[red]look at the mouth",
        "frame.jpg, 9 bytes",
        "flagged by ada",
        "0:12",
    ):
        assert wanted in said.out
    assert "real (bob" in cli("flags", "show", flag(2).id).out
    assert json.loads(cli("flags", "show", flag(1).id, "--json").out)["id"] == flag(1).id
    with FlagArchive.open(EvidenceSettings(folder=kept)) as archive:
        archive.store.attach(flag(1).id, (), clip=ClipState.KEPT, span=(12.5, 14.0))
    shown = " ".join(cli("flags", "show", flag(1).id).out.split())
    assert "requested span 0:10.0 to 0:14.0, flagged at 0:12.0" in shown
    assert "clip 0:12.5 to 0:14.0; it does not contain the flagged moment 0:12.0" in shown
    missing = cli("flags", "show", "nobody")
    assert missing.code == 3
    assert "there is no flag nobody" in missing.err


def test_an_export_is_verified_and_a_changed_one_reported(cli: Callable, kept: Path, tmp_path: Path) -> None:
    made = cli("flags", "export", flag(0).id, flag(1).id, "--out", "two.zip")
    assert made.code == 0, made.err
    digest = made.out.split()[-1]
    said = cli("flags", "verify", "two.zip", "--sha256", digest)
    assert said.code == 0, said.err
    assert "2 flags exported" in said.out
    with zipfile.ZipFile("two.zip") as archive:
        archive.extractall("two")
    (tmp_path / "two" / ".DS_Store").write_bytes(b"")
    unpacked = cli("flags", "verify", "two", "--sha256", digest)
    assert unpacked.code == 0, unpacked.err
    assert "ignored, added by an operating system: .DS_Store" in unpacked.err
    absent = cli("flags", "verify", "nope.zip")
    assert absent.code == 3
    assert "does not exist" in absent.err
    assert "Errno" not in absent.err
    other = cli("flags", "verify", "two.zip", "--sha256", "ab" * 32)
    assert other.code == 3
    assert "is not the exported file" in other.err
    with zipfile.ZipFile(tmp_path / "two.zip", "a") as archive:
        archive.writestr("more.txt", "hello")
    touched = cli("flags", "verify", "two.zip")
    assert touched.code == 1
    assert "more.txt was added" in touched.err
    assert cli("flags", "export", "--all", "--out", "two.zip").code == 2
    for which in ((), ("--all", "--text", "x"), (flag(0).id, "--all")):
        assert cli("flags", "export", *which, "--out", "other.zip").code == 2


def test_the_archive_is_verified(cli: Callable, kept: Path) -> None:
    assert "3 flags in" in cli("flags", "verify").out
    next((kept / "files").glob("*/frame.jpg")).write_bytes(b"another")
    said = cli("flags", "verify")
    assert said.code == 1
    assert "frame.jpg was changed" in said.err


def test_flags_are_deleted_all_or_none(cli: Callable, kept: Path) -> None:
    assert cli("flags", "delete", flag(0).id, "nobody", "--yes").code == 3
    assert len(json.loads(cli("flags", "list", "--json").out)) == 3
    said = cli("flags", "delete", flag(0).id, flag(1).id, "--yes", "--why", "asked for")
    assert said.code == 0, said.err
    assert [one["id"] for one in json.loads(cli("flags", "list", "--json").out)] == [flag(2).id]
    assert [path.name for path in (kept / "files").iterdir()] == [flag(2).id]
    assert cli("flags", "delete").code == 2
    assert "3 flags" not in cli("flags", "verify").out


def test_all_flags_of_a_source_are_deleted(cli: Callable, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FlagArchive.open(EvidenceSettings(folder=kept)) as archive:
        archive.store.add(flag(7, source="talk.mp4"), actor="ada")
    for which in ((), (flag(0).id, "--source", "talk.mp4"), ("--source", "talk"), ("--source", "nobody.mp4")):
        assert cli("flags", "delete", *which, "--yes").code == 2
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    asked = cli("flags", "delete", "--source", "rtsp://cam/live")
    assert asked.code == 1
    assert "Delete 3 flags of rtsp://cam/live" in asked.err
    said = cli("flags", "delete", "--source", "rtsp://cam/live", "--yes", "--why", "she asked for it")
    assert said.code == 0, said.err
    assert "3 deleted" in said.out
    assert [one["id"] for one in json.loads(cli("flags", "list", "--json").out)] == [flag(7).id]
    assert list((kept / "files").iterdir()) == []
    with FlagArchive.open(EvidenceSettings(folder=kept)) as archive:
        last = archive.store.events(flag(2).id)[-1]
    assert (last.action, last.details) == ("deleted", {"why": "she asked for it"})


def test_an_id_twice_is_deleted_once(cli: Callable, kept: Path) -> None:
    assert "1 deleted" in cli("flags", "delete", flag(0).id, flag(0).id, "--yes").out


def test_tidying_is_shown_before_it_is_done(cli: Callable, kept: Path) -> None:
    assert "set evidence.keep_days or" in cli("flags", "tidy").err
    with FlagArchive.open(EvidenceSettings(folder=kept)) as archive:
        old = datetime.now(UTC) - timedelta(days=3)
        one = flag(7, origin=Origin.AUTOMATIC, created_at=old, clip=ClipState.KEPT)
        archive.store.add(replace(one, exhibits=archive.files.create(one.id, {"frame.jpg": b"a picture"})), actor="")
    settings = ("--set", "evidence.keep_days=2", "--set", "evidence.max_gigabytes=1e-9")
    shown = cli("flags", "tidy", "--dry-run", *settings)
    assert shown.code == 0, shown.err
    assert f"{one.id}: not reviewed in 2 days" in shown.out
    assert "1 flags would be deleted" in shown.out
    assert "beyond evidence.max_gigabytes" in shown.err
    assert len(json.loads(cli("flags", "list", "--json").out)) == 4
    done = cli("flags", "tidy", *settings)
    assert "1 flags deleted" in done.out
    assert len(json.loads(cli("flags", "list", "--json").out)) == 3
    assert "0 flags deleted" in cli("flags", "tidy", *settings).out


def test_a_blurred_export_is_valid_and_lists_omitted_files(cli: Callable, kept: Path) -> None:
    made = cli("flags", "export", flag(0).id, "--blur", "--out", "one.zip")
    assert made.code == 0, made.err
    assert "omitted:" in made.err
    assert "frame.jpg: faces.json does not contain the positions of its faces" in made.err
    said = cli("flags", "verify", "one.zip")
    assert said.code == 0, said.err
    assert "frame.jpg was omitted" in said.err


def test_the_password_of_the_database_is_never_printed(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_MONITOR_EVIDENCE__DATABASE", "nosuchsql://ada:secret@host/flags")
    said = cli("flags", "list")
    assert said.code == 1
    assert "nosuchsql://ada:***@host/flags" in said.err
    assert "secret" not in said.err


def test_an_export_is_signed_with_the_certificate_of_the_settings(
    cli: Callable, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_signing_files(tmp_path / "owner")
    monkeypatch.setenv("DEEPFAKE_MONITOR_CREDENTIALS__CERTIFICATES", str(files.chain))
    monkeypatch.setenv("DEEPFAKE_MONITOR_CREDENTIALS__PRIVATE_KEY", str(files.key))
    made = cli("flags", "export", flag(0).id, "--out", "one.zip")
    assert made.code == 0, made.err
    assert "signed with content credentials: report.pdf" in made.err
    assert f"not signed: {flag(0).id}/frame.jpg: asset could not be parsed" in made.err  # it is no picture
    with zipfile.ZipFile("one.zip") as archive:
        assert b"c2pa" in archive.read("report.pdf")
    assert cli("flags", "verify", "one.zip").code == 0


def test_a_wrong_key_for_an_export_is_one_sentence(
    cli: Callable, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, other = write_signing_files(tmp_path / "owner"), write_signing_files(tmp_path / "other")
    monkeypatch.setenv("DEEPFAKE_MONITOR_CREDENTIALS__CERTIFICATES", str(files.chain))
    monkeypatch.setenv("DEEPFAKE_MONITOR_CREDENTIALS__PRIVATE_KEY", str(other.key))
    refused = cli("flags", "export", flag(0).id, "--out", "one.zip")
    assert refused.code == 2
    assert "the private key does not belong to the first certificate" in refused.err
    assert len(refused.err.strip().splitlines()) == 1
    assert not Path("one.zip").exists()
