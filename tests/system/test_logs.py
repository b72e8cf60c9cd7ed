"""No secret gets into the log, from any logger."""

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import OutputError
from monitor.settings import ServiceSettings
from monitor.system.logs import mask_text, write_log

ADDRESS = "rtsp://ada:hu@sh/hush@cam.example:554/live?token=hush"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{ADDRESS}: no answer", "rtsp://ada:***@cam.example:554/live?token=***: no answer"),
        ("'http://ada:hush@a/x', 'rtsp://b/y'", "'http://ada:***@a/x', 'rtsp://b/y'"),
        ("see rtsp://ada:two words@cam/live.", "see rtsp://ada:***@cam/live."),
        (
            "[rtsp @ 0x5] DESCRIBE of rtsp://u:p@h/a failed: 401",
            "[rtsp @ 0x5] DESCRIBE of rtsp://u:***@h/a failed: 401",
        ),
        ('"GET /monitor/export?ids=1&token=hush HTTP/1.1" 200', '"GET /monitor/export?ids=1&token=*** HTTP/1.1" 200'),
        ("postgresql+psycopg://u:hush@db/flags", "postgresql+psycopg://u:***@db/flags"),
        ("nothing: a=b, c://, 7 of 8?", "nothing: a=b, c://, 7 of 8?"),
    ],
)
def test_secrets_are_masked_and_other_text_is_kept(text: str, shown: str) -> None:
    assert mask_text(text) == shown


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="@/"), min_size=4, max_size=20))
def test_no_password_is_left(password: str) -> None:
    secret = f"#{password}#"
    assert secret not in mask_text(f"cannot open rtsp://ada:{secret}@cam/live")


@pytest.mark.parametrize("form", ["text", "json"])
def test_libraries_and_traces_are_masked_too(tmp_path: Path, form: str) -> None:
    settings = ServiceSettings(log_format=form, log_file=tmp_path / "a" / "b.log")
    with write_log(settings, folder=tmp_path) as path:
        assert path == tmp_path / "a" / "b.log"
        logging.getLogger("libav.rtsp").warning("method DESCRIBE of %s failed", ADDRESS)
        try:
            int(ADDRESS)
        except ValueError:
            logging.getLogger("monitor.runtime").exception("a job failed")
        logging.getLogger("monitor").debug("too little to be told")
    logging.getLogger("monitor").warning("after the end")
    text = path.read_text(encoding="utf-8")
    assert "hush" not in text
    assert "sh/hu" not in text
    assert "cam.example" in text
    assert "Traceback" in text
    assert "too little" not in text
    assert "after the end" not in text
    if form == "json":
        first, second = map(json.loads, text.splitlines())
        assert (first["level"], first["logger"], second["message"]) == ("warning", "libav.rtsp", "a job failed")
        assert first["time"].endswith("+00:00")
        assert "ValueError" in second["error"]


def test_separate_loggers_are_logged_and_masked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    apart = logging.getLogger("apart")
    printing = logging.StreamHandler()
    apart.propagate = False
    apart.addHandler(printing)
    try:
        with write_log(ServiceSettings(), folder=tmp_path) as path:
            apart.warning("lost %s", ADDRESS)
    finally:
        apart.propagate = True
        apart.removeHandler(printing)
    assert path == tmp_path / "logs" / "serve.log"
    for text in (path.read_text(encoding="utf-8"), capsys.readouterr().err):
        assert "lost rtsp://ada:***@cam.example" in text


def test_the_level_is_a_setting_and_restored_afterwards(tmp_path: Path) -> None:
    before = logging.getLogger().level
    with write_log(ServiceSettings(log_level="debug"), folder=tmp_path) as path:
        logging.getLogger("monitor").debug("a detail")
    assert "a detail" in path.read_text(encoding="utf-8")
    assert logging.getLogger().level == before


def test_the_log_file_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.system.logs._BYTES", 2000)
    with write_log(ServiceSettings(), folder=tmp_path) as path:
        for number in range(400):
            logging.getLogger("monitor").info("line %d", number)
    files = sorted(file.name for file in path.parent.iterdir())
    assert files == ["serve.log", *(f"serve.log.{number}" for number in range(1, 6))]
    assert sum(file.stat().st_size for file in path.parent.iterdir()) < 6 * 2100


def test_an_unwritable_log_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match=r"service\.log_file"),
        write_log(ServiceSettings(log_file=tmp_path / "file" / "x.log"), folder=tmp_path),
    ):
        pass
