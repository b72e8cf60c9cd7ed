"""The C2PA library: which file is loaded, and without network access."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.media.c2pa_library import load_library, offline_but

_LOAD = (
    "import os; from monitor.media.c2pa_library import load_library\n"
    "load_library(); maps = open('/proc/self/maps').read()\n"
    "print([line.split()[-1] for line in maps.splitlines() if 'c2pa_c' in line][0], 'C2PA_LIBRARY_NAME' in os.environ)"
)


@pytest.fixture(autouse=True)
def loaded_anew() -> None:
    load_library.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_library_in_the_working_directory_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "libc2pa_c.so").write_bytes(b"not a library, but a package that looks here first would try it")
    command = [sys.executable, "-c", _LOAD]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    path, is_left = done.stdout.split()
    found = importlib.util.find_spec("c2pa")
    assert found is not None
    assert found.origin is not None
    assert Path(path).is_relative_to(Path(found.origin).parent)
    assert is_left == "False"
    assert "not a library" not in done.stderr


def test_a_missing_package_is_an_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match="c2pa-python is not installed"):
        load_library()


def test_a_package_without_a_library_for_this_system_is_an_import_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("c2pa", tmp_path / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    with pytest.raises(ImportError, match="no library for this system"):
        load_library()


def test_the_library_accepts_the_settings_that_allow_no_request() -> None:
    c2pa = load_library()
    with c2pa.Context.from_dict(offline_but()) as context:
        assert context.is_valid
    assert offline_but()["core"]["allowed_network_hosts"] == []
    assert offline_but(["tsa.example"])["core"]["allowed_network_hosts"] == ["tsa.example"]
