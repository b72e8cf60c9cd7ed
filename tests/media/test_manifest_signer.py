"""Copies of files that the program signs, and the sentences for keys and certificates that do not work."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import fpdf
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from support import clips
from support.certificates import SigningFiles, write_signing_files
from support.signed_media import picture

from monitor.errors import OutputError, UsageError
from monitor.media import manifest_signer
from monitor.media.content_credentials import content_credentials
from monitor.media.manifest_signer import ORIGIN, ManifestDraft, sign_files
from monitor.settings import CredentialSettings, Settings, SourceSettings
from monitor.types import AiUse, ContentCredentials, CredentialState

HERE = SourceSettings(isolate=False)


@pytest.fixture
def files(tmp_path: Path) -> SigningFiles:
    return write_signing_files(tmp_path / "owner", name="Desk", organisation="Example News")


def owner(files: SigningFiles, **changes: Any) -> CredentialSettings:
    return CredentialSettings(**{"certificates": files.chain, "private_key": files.key} | changes)


def draft(folder: Path, content: bytes, suffix: str = ".jpg", **facts: Any) -> ManifestDraft:
    file = folder / f"stored{suffix}"
    file.write_bytes(content)
    return ManifestDraft(file, folder / f"signed{suffix}", f"file{suffix}", **{"parent": file} | facts)


def read(path: Path, files: SigningFiles) -> ContentCredentials:
    known = CredentialSettings(trusted_signers=files.root)
    return content_credentials(path, Settings(source=HERE, credentials=known))


def test_a_signed_copy_names_the_owner_the_actions_and_the_original(tmp_path: Path, files: SigningFiles) -> None:
    content = clips.video(tmp_path / "v.mp4", frames=10).read_bytes()
    actions = (("c2pa.trimmed", "cut from the source"), ("c2pa.edited", "faces blurred"))
    one = draft(tmp_path, content, ".mp4", actions=actions, origin={"source_sha256": "ab" * 32})
    assert sign_files(one.signed, [one], owner(files)) == [""]
    found = read(one.signed, files)
    assert found.state is CredentialState.TRUSTED
    assert found.signer_in_words == "Desk (Example News)"
    assert [(action.action, action.description) for action in found.actions] == [("c2pa.opened", ""), *actions]
    assert found.actions[1].software.startswith("deepfake-monitor ")
    assert [(part.title, part.relationship) for part in found.ingredients] == [("file.mp4", "parentOf")]
    signed = one.signed.read_bytes()
    assert ORIGIN.encode() in signed
    assert b"ab" * 32 in signed
    assert one.file.read_bytes() == content


def test_no_picture_of_the_original_is_in_the_copy(tmp_path: Path, files: SigningFiles) -> None:
    secret, shown = picture(side=256), picture(side=32)
    one = draft(tmp_path, secret)
    blurred = tmp_path / "blurred.jpg"
    blurred.write_bytes(shown)
    two = ManifestDraft(blurred, one.signed, "frame.jpg", parent=one.file)
    assert sign_files(two.signed, [two], owner(files)) == [""]
    signed = two.signed.read_bytes()
    assert len(signed) - len(shown) < 8_000 < len(secret)
    assert signed.count(b"\xff\xd8\xff") == 1  # one JPEG, no thumbnail


def test_a_report_of_the_program_is_created_by_it(tmp_path: Path, files: SigningFiles) -> None:
    document = fpdf.FPDF()
    document.add_page()
    document.set_font("helvetica")
    document.cell(text="flags")
    one = draft(tmp_path, bytes(document.output()), ".pdf", parent=None)
    assert sign_files(one.signed, [one], owner(files)) == [""]
    found = read(one.signed, files)
    assert found.state is CredentialState.TRUSTED
    assert found.actions[0].action == "c2pa.created"
    assert found.digital_source_types == ("dataDrivenMedia",)
    assert found.ai_use is AiUse.NONE


def test_a_file_that_is_no_picture_has_a_reason_and_the_others_are_signed(tmp_path: Path, files: SigningFiles) -> None:
    (tmp_path / "bad").mkdir()
    bad, good = draft(tmp_path / "bad", b"no picture"), draft(tmp_path, picture())
    whys = sign_files(bad.signed, [bad, good], owner(files))
    assert whys[1] == ""
    assert "could not" in whys[0]
    assert not bad.signed.exists()
    assert good.signed.exists()


def other_key(files: SigningFiles, folder: Path) -> CredentialSettings:
    return owner(files, private_key=write_signing_files(folder / "other").key)


def locked_key(files: SigningFiles, folder: Path) -> CredentialSettings:
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    lock = serialization.BestAvailableEncryption(b"word")
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    files.key.write_bytes(key.private_bytes(*form))
    return owner(files)


def damaged_key(files: SigningFiles, folder: Path) -> CredentialSettings:
    lines = files.key.read_text().splitlines()
    files.key.write_text("\n".join([lines[0], lines[1][:-9], *lines[2:]]))
    return owner(files)


def damaged_certificate(files: SigningFiles, folder: Path) -> CredentialSettings:
    files.chain.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return owner(files)


WRONG: list[tuple[Callable[[SigningFiles, Path], CredentialSettings], str]] = [
    (other_key, "the private key does not belong to the first certificate"),
    (locked_key, "does not contain -----BEGIN PRIVATE KEY-----; `openssl pkcs8 -topk8 -nocrypt"),
    (damaged_key, "the private key cannot be read"),
    (damaged_certificate, "certificate"),
    (lambda files, _: owner(files, certificates=files.root), "the private key does not belong|signed itself"),
    (lambda files, _: owner(files, algorithm="ps256"), "none for credentials.algorithm = ps256"),
    (lambda files, _: owner(files, private_key=Path("gone.key")), "credentials.private_key: gone.key cannot be read"),
    (lambda files, _: owner(files, certificates=files.key), "credentials.certificates: .* does not contain"),
    (lambda _, folder: owner(write_signing_files(folder / "b", ends=timedelta(days=-1))), "has expired"),
    (
        lambda _, folder: owner(write_signing_files(folder / "c", usage=ExtendedKeyUsageOID.SERVER_AUTH)),
        "none for content credentials",
    ),
]


@pytest.mark.parametrize(("make", "words"), WRONG)
def test_a_wrong_certificate_or_key_is_one_sentence_without_the_key(
    tmp_path: Path, files: SigningFiles, make: Callable[[SigningFiles, Path], CredentialSettings], words: str
) -> None:
    one = draft(tmp_path, picture())
    with pytest.raises(UsageError, match=words) as caught:
        sign_files(one.signed, [one], make(files, tmp_path))
    assert "\n" not in str(caught.value)
    assert files.key.read_text().splitlines()[1] not in str(caught.value)
    assert not one.signed.exists()


@contextmanager
def time_stamps(answer: Callable[[bytes], bytes | None]) -> Iterator[tuple[str, list[str]]]:
    """A time-stamp authority on loopback: its address, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_POST(self) -> None:
            asked.append(self.path)
            content = answer(self.rfile.read(int(self.headers["Content-Length"])))
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/stamp", asked
        server.shutdown()
        thread.join()


def test_an_authority_without_a_time_stamp_is_one_sentence_and_none_is_asked_by_default(
    tmp_path: Path, files: SigningFiles
) -> None:
    one = draft(tmp_path, picture())
    with time_stamps(lambda _: None) as (url, asked):
        with pytest.raises(OutputError, match=f"the time-stamp authority {url} gave no time stamp"):
            sign_files(one.signed, [one], owner(files, time_stamp_url=url))
        assert asked == ["/stamp"]
        assert sign_files(one.signed, [one], owner(files)) == [""]
    assert asked == ["/stamp"]
    assert read(one.signed, files).signed_at is None


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the time stamps")
def test_a_signature_has_the_time_of_its_authority(tmp_path: Path, files: SigningFiles) -> None:
    authority = write_signing_files(tmp_path / "authority", usage=ExtendedKeyUsageOID.TIME_STAMPING)
    (tmp_path / "serial").write_text("01\n")
    (tmp_path / "tsa.cnf").write_text(
        "[tsa]\ndefault_tsa = t\n[t]\ncrypto_device = builtin\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\n"
        "digests = sha256, sha384, sha512\ness_cert_id_alg = sha256\n"
        f"serial = {tmp_path}/serial\nsigner_cert = {authority.chain}\nsigner_key = {authority.key}\n"
        f"certs = {authority.root}\n"
    )

    def answer(query: bytes) -> bytes:
        (tmp_path / "query").write_bytes(query)
        command = ["openssl", "ts", "-reply", "-config", tmp_path / "tsa.cnf", "-queryfile", tmp_path / "query"]
        subprocess.run([*command, "-out", tmp_path / "reply"], check=True, capture_output=True)
        return (tmp_path / "reply").read_bytes()

    one = draft(tmp_path, picture())
    with time_stamps(answer) as (url, _):
        assert sign_files(one.signed, [one], owner(files, time_stamp_url=url)) == [""]
    found = read(one.signed, files)
    assert found.state is CredentialState.TRUSTED
    assert found.signed_at is not None
    assert abs(datetime.now(UTC) - found.signed_at) < timedelta(minutes=5)
    assert not found.has_known_time
    files.root.write_bytes(files.root.read_bytes() + authority.root.read_bytes())
    assert read(one.signed, files).has_known_time


def test_without_the_library_nothing_is_signed(
    tmp_path: Path, files: SigningFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ImportError("the package c2pa-python is not installed")

    monkeypatch.setattr(manifest_signer, "load_library", missing)
    one = draft(tmp_path, picture())
    with pytest.raises(UsageError, match="exports cannot be signed here: the package c2pa-python is not installed"):
        sign_files(one.signed, [one], owner(files))
