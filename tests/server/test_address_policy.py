"""The source addresses that a browser user may open."""

import socket
import time
from pathlib import Path

import pytest

from monitor.errors import UsageError
from monitor.server import address_policy
from monitor.server.address_policy import check_address

FINE = [
    "rtsp://cam.example/live",
    "rtsps://ada:secret@10.0.0.7:8554/live",
    "http://192.168.1.20/video",
    "https://172.16.3.4/a.m3u8",
    "http://127.0.0.1:8080/cam",
    "http://[fd00::7]/cam",
    "HTTP://cam.local/x",
    "webcam:",
    "webcam:0",
    "screen:",
    "screen:640x480+10+20",
    "demo:",
    "  demo:  ",
]


NAMES = {  # what the world's names stand for, in these tests
    "cam.example": ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
    "cam.local": ["192.168.1.9"],
    "metadata.google.internal": ["169.254.169.254"],
    "two.example": ["93.184.215.14", "169.254.169.254"],
    "six.example": ["fe80::1"],
    "six-to-four.example": ["2002:a9fe:a9fe::1"],
    "amazon.example": ["fd00:ec2::254"],
    "alibaba.example": ["100.100.100.200"],
}


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        if host not in NAMES:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in NAMES[host]]

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.mark.parametrize("url", FINE)
def test_cameras_streams_and_the_demo_pass(url: str) -> None:
    check_address(url, folders=())


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A folder whose file may be opened, beside one that may not."""
    folder = tmp_path / "media"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "in.mp4").touch()
    (tmp_path / "media-private").mkdir()
    for outside in ("out.mp4", "media-private/out.mp4"):
        (tmp_path / outside).touch()
    return folder


def test_files_inside_the_folders_pass(media: Path, tmp_path: Path) -> None:
    folders = (tmp_path / "elsewhere", media)
    check_address(str(media / "deep" / "in.mp4"), folders=folders)
    check_address(str(media / "deep" / ".." / "deep" / "in.mp4"), folders=folders)
    check_address(f"file://{media}/deep/in.mp4", folders=folders)
    check_address(str(media), folders=folders)


def test_a_folder_may_be_a_link_itself(media: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(media)
    check_address(str(link / "deep" / "in.mp4"), folders=(link,))


@pytest.mark.parametrize(
    "path", ["{0}/out.mp4", "{0}/media/../out.mp4", "{0}/media-private/out.mp4", "file://{0}/out.mp4", "/etc/passwd"]
)
def test_other_files_are_refused_with_a_way_out(media: Path, tmp_path: Path, path: str) -> None:
    with pytest.raises(UsageError, match=r"files of the server.*dashboard\.media_folders"):
        check_address(path.format(tmp_path), folders=(media,))


def test_a_link_out_of_the_folder_is_refused(media: Path, tmp_path: Path) -> None:
    (media / "link.mp4").symlink_to(tmp_path / "out.mp4")
    with pytest.raises(UsageError, match="files of the server"):
        check_address(str(media / "link.mp4"), folders=(media,))


@pytest.mark.parametrize("url", ["/etc/passwd", "etc/passwd", "file:///etc/passwd", "file:/etc/passwd", "C:\\a.mp4"])
def test_without_folders_no_file_may_be_opened(url: str) -> None:
    with pytest.raises(UsageError, match="files of the server"):
        check_address(url, folders=())


LINK_LOCAL = [
    "http://[::ffff:100.100.100.200]/latest/meta-data",
    "http://169.254.169.254/latest/meta-data",
    "http://ada:hush@169.254.169.254:80/",
    "rtsp://169.254.1.2/live",
    "https://[fe80::1]/",
    "HTTP://169.254.169.254/",
    " http://169.254.169.254/",
    "http://[::ffff:169.254.169.254]/",  # the same as IPv6
    "http://2852039166/",  # the same as one number,
    "http://0xa9fea9fe/",  # as a hexadecimal one,
    "http://169.254.43518/",  # and with its last two parts as one: the system's resolver takes all three
]


@pytest.mark.parametrize("url", LINK_LOCAL)
def test_link_local_addresses_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="link-local"):
        check_address(url, folders=())


NAMED = ["metadata.google.internal", "two.example", "six.example", "six-to-four.example", "amazon.example"]


@pytest.mark.parametrize("host", [*NAMED, "alibaba.example", "METADATA.google.internal", "100.100.100.200"])
@pytest.mark.parametrize("scheme", ["http", "https", "rtsp"])
def test_names_that_resolve_to_link_local_addresses_are_refused(scheme: str, host: str) -> None:
    with pytest.raises(UsageError, match="link-local"):
        check_address(f"{scheme}://ada:hush@{host}:80/x", folders=())


def test_an_unknown_host_name_passes() -> None:
    check_address("rtsp://nobody.example/live", folders=())
    check_address(f"rtsp://{'long' * 30}.example/live", folders=())


def test_a_name_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_policy, "LOOK_UP", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1) or [])
    begun = time.monotonic()
    with pytest.raises(UsageError, match=r"ada:\*\*\*@slow.example/live: the look-up of the host name took longer"):
        check_address("rtsp://ada:hush@slow.example/live", folders=())
    assert time.monotonic() - begun < 0.9


@pytest.mark.parametrize(
    "url",
    [
        "",
        "   ",
        "gopher://x/1",
        "javascript://alert",
        "rtsp:cam",
        "concat:/etc/passwd",
        "rtsp://[",
        "http://[::1/x",
        "a\0b",
    ],
)
def test_invalid_input_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        check_address(url, folders=())


@pytest.mark.parametrize(
    "url", ["http://ada:hush@169.254.169.254/", "http://169.254.169.254/?token=hush", "gopher://ada:hush@host/"]
)
def test_a_refusal_masks_the_password(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_address(url, folders=())
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("typed", ["192.168.1.10", "cam.local:554/live"])
def test_a_host_without_a_scheme_is_not_taken_for_a_file_of_the_server(typed: str) -> None:
    with pytest.raises(UsageError, match=rf"is no file; the address of a camera begins with .*rtsp://{typed}"):
        check_address(typed, folders=())


@pytest.mark.parametrize(
    "typed", ["rtsp://a:b#@169.254.169.254/x", "RTSP://169.254.169.254/", "http://a/b@169.254.169.254/x"]
)
def test_a_repaired_address_is_checked_as_it_is_opened(typed: str) -> None:
    with pytest.raises(UsageError, match="link-local"):
        check_address(typed.replace("a/b@", "a:c/b@"), folders=())
