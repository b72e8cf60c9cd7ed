"""Cameras over TLS (GStreamer's RTSP server, self-signed certificates made here)."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from support import clips, rtsp_server
from support.certificates import write_certificate

from monitor.errors import SourceError, SourceRefusedError, UsageError
from monitor.media.sources import open_source
from monitor.settings import SourceSettings

UNCHECKED = "the certificate of the other side was not checked; source.tls_certificates checks it"

Certificate = tuple[Path, Path]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if reason := rtsp_server.missing():
        pytest.skip(reason)
    return clips.video(tmp_path_factory.mktemp("films") / "cam.mp4", frames=50, options={"g": "5"})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return write_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def camera(film: Path, certificate: Certificate) -> Iterator[str]:
    with rtsp_server.serve(film, "--loop", "--tls", *map(str, certificate)) as url:
        yield url


def trusting(certificates: Path | None = None, **more: str) -> SourceSettings:
    return SourceSettings.model_validate({"open_timeout": 5, "tls_certificates": certificates, **more})


@pytest.mark.rtsp
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_with_its_own_certificate_opens_and_a_note_says_that_it_was_not_checked(
    camera: str, transport: str
) -> None:
    assert camera.startswith("rtsps://")
    with open_source(camera, trusting(rtsp_transport=transport)) as source:
        assert source.info.kind == "rtsp"
        assert len(list(islice(source, 10))) == 10
        (note,) = source.info.notes
        assert note.endswith(UNCHECKED)


@pytest.mark.rtsp
def test_a_trusted_certificate_needs_no_note(camera: str, certificate: Certificate) -> None:
    with open_source(camera, trusting(certificate[0])) as source:
        assert len(list(islice(source, 10))) == 10
        assert source.info.notes == ()


@pytest.mark.rtsp
def test_a_certificate_that_is_not_trusted_is_refused(camera: str, tmp_path: Path) -> None:
    other, _ = write_certificate(tmp_path)
    with pytest.raises(SourceRefusedError, match=r"not trusted \(self.signed certificate\).* source\.tls_certificates"):
        open_source(camera, trusting(other))


@pytest.mark.rtsp
def test_a_trusted_certificate_for_another_host_is_refused(film: Path, tmp_path: Path) -> None:
    elsewhere = write_certificate(tmp_path, host="10.0.0.7")
    with (
        rtsp_server.serve(film, "--loop", "--tls", *map(str, elsewhere)) as url,
        pytest.raises(SourceRefusedError, match=r"IP address mismatch.*use the host name"),
    ):
        open_source(url, trusting(elsewhere[0]))


@pytest.mark.rtsp
def test_the_wrong_one_of_rtsp_and_rtsps_is_named(camera: str, film: Path) -> None:
    with pytest.raises(SourceRefusedError, match=r"begin the address with rtsps://$"):
        open_source(camera.replace("rtsps:", "rtsp:"), trusting())
    with rtsp_server.serve(film) as url, pytest.raises(SourceRefusedError, match=r"begin the address with rtsp://"):
        open_source(url.replace("rtsp:", "rtsps:"), trusting())


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_certificates_is_a_wrong_setting(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "trusted.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=r"^source\.tls_certificates: .*trusted\.pem"):
        open_source("rtsps://127.0.0.1:9/cam", trusting(file))


def test_a_host_that_does_not_answer_is_not_called_unencrypted() -> None:
    with pytest.raises(SourceError, match="nothing listens there"):
        open_source("rtsps://127.0.0.1:9/cam", trusting())
