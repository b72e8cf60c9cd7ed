"""The choice of a store, and the folder; tests/flags/test_files.py runs on all stores."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from monitor.errors import OutputError, UsageError
from monitor.flags.file_stores import KINDS, FolderStore, open_file_store
from monitor.flags.file_stores import folder as module
from monitor.flags.files import FlagFiles
from monitor.settings import EvidenceSettings


def opened(files: str, folder: Path) -> FlagFiles:
    return FlagFiles(open_file_store(EvidenceSettings(files=files), folder=folder))


def test_the_setting_names_a_folder_or_a_url(tmp_path: Path) -> None:
    assert opened("", tmp_path).address == str(tmp_path / "files")
    assert opened(f"{tmp_path}/elsewhere", tmp_path).folder("one") == tmp_path / "elsewhere" / "one"
    assert opened("~/flags", tmp_path).address == str(Path.home() / "flags")
    assert [scheme for kind in KINDS for scheme in kind.schemes] == ["s3"]


@pytest.mark.parametrize(
    ("files", "why"),
    [("ftp://host/flags", "is not a store for flags: write a folder, or a URL with s3://"), ("s3://", "no bucket")],
)
def test_another_url_is_refused_in_one_sentence(files: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=why):
        open_file_store(EvidenceSettings.model_construct(files=files), folder=tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [{"files": "s3://key:se/cret@bucket"}, {"files_endpoint": "http://key:secret@host"}, {"files_endpoint": "host"}],
)
def test_settings_with_keys_or_without_a_scheme_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="must"):
        EvidenceSettings.model_validate(wrong)


def test_a_file_system_without_locks_is_never_used_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(module, "lock", refuse)
    store = FolderStore(tmp_path / "files")
    store.create("one", {"frame.jpg": b"a picture"})
    with store.alone() as is_alone:
        assert not is_alone
    assert store.remove_abandoned(set(), min_age=timedelta(minutes=1)) == 0
    assert store.sizes("one") == {"frame.jpg": 9}


def test_a_share_of_the_lock_is_taken_again_after_a_repair(tmp_path: Path) -> None:
    one, other = FolderStore(tmp_path / "files"), FolderStore(tmp_path / "files")
    one.create("one", {"frame.jpg": b"a picture"})
    with one.alone() as is_alone:
        assert is_alone
    with other.alone() as is_alone:
        assert not is_alone
    one.close()
    with other.alone() as is_alone:
        assert is_alone


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"files/one/clip\.mp4 cannot be read: No such file"):
        FolderStore(tmp_path / "files").path("one", "clip.mp4")
