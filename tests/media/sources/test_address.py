import doctest
import os
import sys
from pathlib import Path

import pytest

from monitor.errors import UsageError
from monitor.media.sources import address as module
from monitor.media.sources.address import Address, kinds


@pytest.mark.parametrize(
    ("url", "kind", "target"),
    [
        ("rtsp://host/cam", "rtsp", "rtsp://host/cam"),
        ("RTSPS://host/cam", "rtsp", "rtsps://host/cam"),
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
def test_typed_addresses_are_parsed(url: str | Path, kind: str, target: str) -> None:
    address = Address.of(url)
    assert (address.kind.name, address.target) == (kind, target)


def test_the_error_for_an_unknown_scheme_lists_the_known_ones_without_the_password() -> None:
    with pytest.raises(UsageError, match=r"ftp:// is no source.*rtsp://") as caught:
        Address.of("ftp://me:secret@host/a.mp4")
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are not text")
def test_a_file_name_that_is_not_unicode_is_printable() -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    address = Address.of(Path(name))
    assert address.target == name
    assert address.name.encode() == "caf�.mp4".encode()


def test_the_docstring_example_of_a_kind_is_true() -> None:
    failed, tried = doctest.testmod(module)
    assert (failed, tried > 0) == (0, True)


def test_each_kinds_own_example_means_that_kind() -> None:
    assert {kind.name: Address.of(kind.example).kind.name for kind in kinds()} == {
        kind.name: kind.name for kind in kinds()
    }
