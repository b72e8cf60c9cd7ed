"""What people type and paste, and the URL that it means."""

import doctest
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import UsageError
from monitor.media.sources import typed_url
from monitor.media.sources.address import Address
from monitor.media.sources.typed_url import read_url, unknown_path_advice


def read(text: str) -> str:
    return read_url(text, example="rtsp://camera/stream")


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("rtsp://host/cam", "rtsp://host/cam"),
        ("RTSP://Host/Cam", "rtsp://Host/Cam"),
        ("  rtsp://host/cam\n", "rtsp://host/cam"),
        ("\ufeffrtsp://host/cam\u200b ", "rtsp://host/cam"),
        ("rtsp://[::1]:554/cam", "rtsp://[::1]:554/cam"),
        ("rtsp://host:554/a@b", "rtsp://host:554/a@b"),
        ("https://host/live.m3u8?a=b@c#d", "https://host/live.m3u8?a=b@c#d"),
        ("rtsp://me:a@b@host/cam", "rtsp://me:a%40b@host/cam"),
        ("rtsp://me:a/b@host/cam", "rtsp://me:a%2Fb@host/cam"),
        ("rtsp://me:a#b@host/cam?x=1", "rtsp://me:a%23b@host/cam?x=1"),
        ("rtsp://me:p@ss#1/2%41?x:y@host:9/cam", "rtsp://me:p%40ss%231%2F2%2541%3Fx:y@host:9/cam"),
        ("rtsp://me:a%2Fb%@host/cam", "rtsp://me:a%2Fb%25@host/cam"),
        ("rtsp://me:p%40ss@host/a@b", "rtsp://me:p%40ss@host/a@b"),
        ("rtsp://me:@host/cam", "rtsp://me:@host/cam"),
        ("https://token@host/cam", "https://token@host/cam"),
    ],
)
def test_typed_addresses_become_urls(typed: str, url: str) -> None:
    assert read(typed) == url
    assert read(url) == url, "once is enough"
    assert Address.of(typed).target == url


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc", "Z"], blacklist_characters="/%"), min_size=1))
def test_any_password_reaches_the_host_whole(password: str) -> None:
    parts = urlsplit(read(f"rtsp://me:{password}#@camera.example:554/live"))
    assert (parts.hostname, parts.port, parts.path) == ("camera.example", 554, "/live")
    assert unquote(parts.password or "") == f"{password}#"


@pytest.mark.parametrize(
    ("typed", "clause"),
    [
        ("rtsp://", "the host is missing; write an address like"),
        ("rtsp:///cam", "the host is missing"),
        ("rtsp://me:secret@/cam", "the host is missing"),
        ("rtsp://:554/cam", "the host is missing"),
        ("rtsp://::1/cam", "in brackets, as in rtsp://"),
        ("rtsp://me:secret@fe80::1:554/cam", "in brackets, as in rtsp://"),
        ("rtsp://[::1/cam", "check its brackets"),
        ("rtsp://host:99999/cam", "there is no port 99999; ports are 1 to 65535"),
        ("rtsp://me:secret@host:0/cam", "there is no port 0"),
        ("rtsp://host:5a4/cam", "is not a number"),
        ("rtsp://admin:secret", "a user name and a password end with @"),
    ],
)
def test_an_impossible_address_is_refused_with_its_cause_and_without_its_password(typed: str, clause: str) -> None:
    with pytest.raises(UsageError, match=clause) as caught:
        Address.of(typed)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("0", "webcam:0"),
        ("192.168.1.10", "rtsp://192.168.1.10/..."),
        (" 192.168.1.10:554/stream ", "rtsp://192.168.1.10:554/stream"),
        ("camera:8554/live", "rtsp://camera:8554/live"),
        ("camera.local", "rtsp://camera.local/..."),
        ("www.example.com/live.m3u8", "http://www.example.com/live.m3u8"),
        ("[fd00::7]:554", "rtsp://[fd00::7]:554/..."),
        ("fd00::7", "rtsp://[fd00::7]/..."),
    ],
)
def test_a_host_without_a_scheme_gets_the_address_to_write(typed: str, advice: str) -> None:
    with pytest.raises(UsageError, match=r"is no file") as caught:
        Address.of(typed)
    assert str(caught.value).endswith(advice)


@pytest.mark.parametrize(
    "name", ["clip.mp4", "12:30 meeting.mp4", "a/b.mp4", r"C:\videos\a.mp4", "10.0 percent.mp4", "x\0"]
)
def test_other_texts_stay_paths(name: str) -> None:
    assert unknown_path_advice(name) == ""
    assert Address.of(name).path == Path(name)


def test_an_existing_file_with_such_a_name_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("0", "192.168.1.10", " blank.mp4 "):
        (tmp_path / name).touch()
        assert Address.of(name).path == Path(name)
    (tmp_path / "plain.mp4").touch()
    assert Address.of(f" {tmp_path / 'plain.mp4'} ").path == tmp_path / "plain.mp4"


def test_the_docstring_example_is_true() -> None:
    failed, tried = doctest.testmod(typed_url)
    assert (failed, tried > 0) == (0, True)
