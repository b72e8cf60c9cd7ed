"""The script is run by a real server in tests/cli/test_serve.py; here: it is a page."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

import monitor.server.service

PAGE = Path(monitor.dashboard.__file__).parent / "script" / "page.py"


def test_streamlit_finds_no_pages_of_its_own_kind_beside_it() -> None:
    assert not PAGE.with_name("pages").exists()


def test_it_shows_the_pages(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("DEEPFAKE_MONITOR_EVIDENCE__FOLDER", str(tmp_path / "kept"))
    try:
        app = AppTest.from_file(str(PAGE), default_timeout=60).run()
        assert not app.exception
        assert "No source is being monitored" in app.info[0].value
    finally:
        monitor.server.service.current().close()
        monitor.server.service.install(None)
