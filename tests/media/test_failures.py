import errno
import os

import av.error
import pytest

from monitor.errors import (
    SourceError,
    SourceNotFoundError,
    SourceRefusedError,
    SourceUnavailableError,
    SourceUnreadableError,
)
from monitor.media.failures import failure, too_large
from monitor.media.sources.address import Address

CAMERA = "rtsp://me:secret@camera/1?token=hidden"


def ffmpeg_error(code: int) -> av.error.FFmpegError:
    with pytest.raises(av.error.FFmpegError) as caught:
        av.error.err_check(-code, CAMERA)
    return caught.value


def tag(text: bytes) -> int:
    return av.error.tag_to_code(text)


@pytest.mark.parametrize(
    ("url", "code", "kind", "clause"),
    [
        (CAMERA, tag(b"\xf8401"), SourceRefusedError, "wrong or missing user name or password"),
        (CAMERA, tag(b"\xf8404"), SourceNotFoundError, "is the path right"),
        (CAMERA, tag(b"\xf85XX"), SourceUnavailableError, "server itself has failed"),
        (CAMERA, tag(b"EXIT"), SourceUnavailableError, "no answer in time"),
        (CAMERA, errno.ETIMEDOUT, SourceUnavailableError, "no answer in time"),
        (CAMERA, errno.ECONNREFUSED, SourceUnavailableError, "nothing listens there"),
        (CAMERA, errno.EIO, SourceUnavailableError, "is the host name right"),
        (CAMERA, tag(b"INDA"), SourceUnreadableError, "holds no video"),
        ("webcam:0", errno.ENOENT, SourceNotFoundError, "no such camera"),
        ("webcam:0", errno.EBUSY, SourceUnavailableError, "busy; close the program that uses it"),
        ("webcam:0", errno.EACCES, SourceUnavailableError, "allow it"),
        ("webcam:0", errno.EINVAL, SourceUnavailableError, "does not work"),
        ("screen:", errno.EIO, SourceUnavailableError, "screen cannot be captured"),
        ("clip.mp4", errno.ENOENT, SourceNotFoundError, "does not exist"),
        ("clip.mp4", errno.EACCES, SourceUnavailableError, "no permission"),
        ("clip.mp4", errno.EIO, SourceUnreadableError, "breaks off, or the disk"),
        ("clip.mp4", errno.ENODEV, SourceUnavailableError, "disk"),
        ("clip.mp4", errno.ENOMEM, SourceUnreadableError, "memory"),
    ],
)
def test_each_error_becomes_one_sentence(url: str, code: int, kind: type[SourceError], clause: str) -> None:
    address = Address.of(url)
    error = failure(ffmpeg_error(code), address)
    assert type(error) is kind
    assert str(error).startswith(f"{address.name}: ")
    assert clause in str(error)
    assert "secret" not in str(error)
    assert "hidden" not in str(error)


def test_errors_of_the_system_become_sentences_too() -> None:
    error = failure(PermissionError(errno.EACCES, os.strerror(errno.EACCES), "clip.mp4"), Address.of("clip.mp4"))
    assert isinstance(error, SourceUnavailableError)


@pytest.mark.parametrize(
    ("url", "clause"), [(CAMERA, "closed the connection"), ("http://h/a", "closed"), ("webcam:0", "unplugged")]
)
def test_a_source_that_breaks_off_has_another_error_than_one_that_never_opened(url: str, clause: str) -> None:
    assert clause in str(failure(ffmpeg_error(errno.EIO), Address.of(url), opened=True))


def test_the_error_for_a_large_picture_names_its_size_and_the_setting() -> None:
    error = too_large(Address.of("a.png"), (9000, 8000), max_pixels=1000)
    assert "9000 x 8000" in str(error)
    assert "source.max_pixels" in str(error)
