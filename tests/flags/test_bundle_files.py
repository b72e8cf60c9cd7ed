import zipfile
from pathlib import Path

import pytest

from monitor.errors import BundleError
from monitor.flags.bundle_files import MANIFEST, open_bundle


def test_names_are_those_of_the_manifest(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("top/", f"top/{MANIFEST}", "top/flags/1/flag.json", "beside.txt"):
            archive.writestr(name, name)
    with open_bundle(tmp_path / "a.zip") as files:
        assert files.names == ("top/", MANIFEST, "flags/1/flag.json", "beside.txt"), "an entry of a folder with content"
        assert files.read("flags/1/flag.json") == b"top/flags/1/flag.json"
        with pytest.raises(KeyError):
            files.open("more.txt")


def test_a_file_without_permission_is_named_and_not_called_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / MANIFEST).write_text("{}")
    (tmp_path / "log.json").write_text("[]")
    opened = Path.open

    def refuse(path: Path, *arguments: str) -> object:
        if path.name == "log.json":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments)

    monkeypatch.setattr(Path, "open", refuse)
    with (
        pytest.raises(BundleError, match=r"no permission to read .*log\.json; ask its owner"),
        open_bundle(tmp_path) as files,
    ):
        files.read("log.json")
