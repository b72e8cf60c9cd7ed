from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import UsageError
from monitor.source.address import Address, mask


@pytest.mark.parametrize(
    ("url", "kind", "target"),
    [
        ("rtsp://host/cam", "rtsp", "rtsp://host/cam"),
        ("RTSPS://host/cam", "rtsp", "RTSPS://host/cam"),
        ("https://host/a.m3u8", "http", "https://host/a.m3u8"),
        ("webcam:0", "webcam", "0"),
        ("webcam:Integrated Camera: HD", "webcam", "Integrated Camera: HD"),
        ("screen:", "screen", ""),
        ("screen:640x480+10+20", "screen", "640x480+10+20"),
        ("demo:", "demo", ""),
        ("clip.mp4", "path", "clip.mp4"),
        ("12:30 meeting.mp4", "path", "12:30 meeting.mp4"),
        (r"C:\videos\a.mp4", "path", r"C:\videos\a.mp4"),
        (Path("demo:"), "path", "demo:"),
        ("file:///videos/a%20b.mp4", "path", "/videos/a b.mp4"),
    ],
)
def test_what_was_typed_is_understood(url: str | Path, kind: str, target: str) -> None:
    address = Address.of(url)
    assert (address.kind, address.target) == (kind, target)


def test_an_unknown_scheme_is_refused_with_the_known_ones_and_without_the_password() -> None:
    with pytest.raises(UsageError, match=r"ftp:// is no source.*rtsp://") as caught:
        Address.of("ftp://me:secret@host/a.mp4")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://admin:secret@10.0.0.7:554/ch1", "rtsp://admin:***@10.0.0.7:554/ch1"),
        ("rtsp://admin:@10.0.0.7/ch1", "rtsp://admin:***@10.0.0.7/ch1"),
        ("https://sometoken@host/a", "https://***@host/a"),
        ("rtsp://u:p@[fe80::1]:554/a", "rtsp://u:***@[fe80::1]:554/a"),
        ("rtsp://[fe80::1]:554/a@b", "rtsp://[fe80::1]:554/a@b"),
        ("https://host/@someone/live", "https://host/@someone/live"),
        ("https://host:8443/@someone/live", "https://host:8443/@someone/live"),
        ("rtsp://admin:pa@ss@host/a", "rtsp://admin:***@host/a"),
        ("rtsp://admin:pa/ss@host/a", "rtsp://admin:***@host/a"),
        ("rtsp://admin:p@/ss@host/a", "rtsp://admin:***@host/a"),
        ("rtsp://admin:pa?ss#@host/a", "rtsp://admin:***@host/a"),
        ("http://h/a?token=abc&x=1&API_KEY=def", "http://h/a?token=***&x=1&API_KEY=***"),
        ("http://h/a?user=me;password=abc", "http://h/a?user=me;password=***"),
        ("http://h/a?X-Amz-Signature=abc#access_token=d", "http://h/a?X-Amz-Signature=***#access_token=***"),
        ("/videos/me:you@home.mp4", "/videos/me:you@home.mp4"),
        ("rtsp://cam/user=admin_password=geheim_channel=1.sdp", "rtsp://cam/user=admin_password=***"),
        ("http://h/a?u=admin&p=geheim&x=1", "http://h/a?u=admin&p=***&x=1"),
        ("http://h/a?pw=geheim", "http://h/a?pw=***"),
        ("webcam:0", "webcam:0"),
    ],
)
def test_secrets_are_masked_and_the_rest_is_kept(url: str, shown: str) -> None:
    assert mask(url) == shown
    assert Address.of(url).name == shown


@settings(deadline=None)
@given(password=st.text(min_size=1).filter(lambda text: not set(text) & set("rtsp:/ho.*@admin")))
def test_no_password_is_ever_shown(password: str) -> None:
    assert password not in mask(f"rtsp://admin:{password}@host/path")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are not text")
def test_a_file_name_that_is_not_text_can_still_be_printed() -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    address = Address.of(Path(name))
    assert address.target == name
    assert address.name.encode() == "caf�.mp4".encode()
