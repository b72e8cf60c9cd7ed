"""Content credentials of real files: read in the decoding process, without network access, whatever they hold."""

import importlib.util
import io
import json
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

import c2pa
import numpy as np
import pytest
from PIL import Image
from support import clips, heic
from support.certificates import SigningFiles, write_signing_files
from support.crashes import crashing_python
from support.signed_media import AI, AI_EDIT, created, picture, sign
from support.web_server import web_server

from monitor.errors import UsageError
from monitor.media import content_credentials as module
from monitor.media.c2pa_library import load_library
from monitor.media.content_credentials import content_credentials, has_sign
from monitor.media.worker.isolated_source import available
from monitor.settings import CredentialSettings, Settings, SourceSettings
from monitor.types import AiUse, CredentialState

HERE = Settings(source=SourceSettings(isolate=False))
ISOLATED = Settings(source=SourceSettings(max_pixels=1920 * 1080))
isolated = pytest.mark.skipif(not available(), reason="this system cannot hand descriptors to a process")


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> SigningFiles:
    return write_signing_files(tmp_path_factory.mktemp("signer"))


def knowing(files: SigningFiles) -> Settings:
    return HERE.model_copy(update={"credentials": CredentialSettings(trusted_signers=files.root)})


def written(folder: Path, content: bytes, name: str = "a.jpg") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@isolated
def test_a_signed_picture_is_read_in_another_process(
    tmp_path: Path, signer: SigningFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, sign(picture(), signer, actions=[created(AI, softwareAgent="Painter 3")]))
    monkeypatch.setattr(module, "load_library", lambda: pytest.fail("read in this process"))
    found = content_credentials(path, ISOLATED)
    assert found.state is CredentialState.VALID
    assert (found.signer, found.organisation, found.claim_generator) == ("Jane Doe", "Example News", "Some Tool 1.2")
    assert found.ai_use is AiUse.GENERATED
    assert [action.in_words for action in found.actions] == ["created with Painter 3"]
    assert found.signed_at is None


def test_a_signer_whose_authority_is_listed_is_known(tmp_path: Path, signer: SigningFiles) -> None:
    path = written(tmp_path, sign(picture(), signer))
    assert content_credentials(path, knowing(signer)).state is CredentialState.TRUSTED
    stranger = write_signing_files(tmp_path / "stranger", name="Jane Doe")
    other = written(tmp_path, sign(picture(), stranger), "b.jpg")
    found = content_credentials(other, knowing(signer))
    assert found.state is CredentialState.VALID
    assert found.has_signer_list


def test_a_clip_and_pictures_of_other_formats_are_read(tmp_path: Path, signer: SigningFiles) -> None:
    video = clips.video(tmp_path / "v.mp4", frames=10, sound=True)
    silent = clips.video(tmp_path / "s.mp4", frames=10)
    pixels = np.zeros((64, 64, 3), np.uint8)
    png, webp = io.BytesIO(), io.BytesIO()
    Image.fromarray(pixels).save(png, "png")
    Image.fromarray(pixels).save(webp, "webp")
    phone = heic.tiled(tmp_path / "p.heic", pixels, tile=64)
    files = {
        "a.mp4": (video.read_bytes(), "video/mp4"),
        "silent.mp4": (silent.read_bytes(), "video/mp4"),
        "a.png": (png.getvalue(), "image/png"),
        "a.webp": (webp.getvalue(), "image/webp"),
        "a.heic": (phone.read_bytes(), "image/heic"),
    }
    for name, (content, kind) in files.items():
        path = written(tmp_path, sign(content, signer, kind=kind), name)
        assert content_credentials(path, HERE).state is CredentialState.VALID, name
    misnamed = written(tmp_path, (tmp_path / "a.mp4").read_bytes(), "upload")
    assert content_credentials(misnamed, HERE).state is CredentialState.VALID


def test_a_file_that_was_changed_after_it_was_signed_is_invalid(tmp_path: Path, signer: SigningFiles) -> None:
    signed = bytearray(sign(picture(), signer))
    signed[-200] ^= 1
    found = content_credentials(written(tmp_path, bytes(signed)), HERE)
    assert found.state is CredentialState.INVALID
    assert [fault.code for fault in found.faults] == ["assertion.dataHash.mismatch"]

    content = clips.video(tmp_path / "v.mp4", frames=10).read_bytes()
    clip = bytearray(sign(content, signer, kind="video/mp4"))
    clip[clip.find(b"mdat") + 100] ^= 1
    found = content_credentials(written(tmp_path, bytes(clip), "a.mp4"), HERE)
    assert [fault.code for fault in found.faults] == ["assertion.bmffHash.mismatch"]
    assert "the file was changed after it was signed" in found.in_words


def test_a_changed_statement_is_invalid(tmp_path: Path, signer: SigningFiles) -> None:
    signed = sign(picture(), signer, actions=[created(AI)])
    assert signed.count(b"trainedAlgorithmicMedia") == 1
    found = content_credentials(written(tmp_path, signed.replace(b"trainedAlgor", b"trainedAlgxx")), HERE)
    assert found.state is CredentialState.INVALID
    assert "assertion.hashedURI.mismatch" in [fault.code for fault in found.faults]


def test_the_history_of_an_edited_file_is_told(tmp_path: Path, signer: SigningFiles) -> None:
    original = sign(picture(), signer, actions=[created(AI)])
    edits = [{"action": "c2pa.cropped"}, {"action": "c2pa.edited", "digitalSourceType": AI_EDIT}]
    edited = sign(original, signer, actions=edits, parent=original)
    found = content_credentials(written(tmp_path, edited), HERE)
    assert found.ai_use is AiUse.GENERATED
    assert [action.action for action in found.actions] == [
        "c2pa.created", "c2pa.opened", "c2pa.cropped", "c2pa.edited",
    ]  # fmt: skip
    (parent,) = found.ingredients
    assert (parent.title, parent.relationship, parent.signer) == ("original.jpg", "parentOf", "Jane Doe")
    assert set(found.digital_source_types) == {"trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"}


def test_a_file_without_credentials_has_none_and_starts_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "run_isolated", lambda *_, **__: pytest.fail("started a process"))
    found = content_credentials(written(tmp_path, picture()), ISOLATED)
    assert found.state is CredentialState.NONE


@pytest.mark.parametrize("content", [b"c2pa" * 100, b"\x1a\x45\xdf\xa3" + b"c2pa", picture() + b"c2pa"])
def test_the_bytes_of_a_sign_alone_are_no_credentials(tmp_path: Path, content: bytes) -> None:
    assert content_credentials(written(tmp_path, content), HERE).state is CredentialState.NONE


def test_a_sign_is_found_across_the_chunks_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for chunk in (1, 2, 3, 5, 20, 100):
        monkeypatch.setattr(module, "_CHUNK", chunk)
        assert has_sign(written(tmp_path, b"x" * 37 + b"c2pa" + b"y" * 9))
        assert has_sign(written(tmp_path, b"x" * 37 + b"dcterms:provenance" + b"y" * 9))
        assert not has_sign(written(tmp_path, b"c2p" * 30 + b"dcterms:provenanc"))


def garbage(content: bytes, signer: SigningFiles) -> bytes:
    signed = bytearray(sign(content, signer))
    at = signed.find(b"c2pa.claim") + 60
    signed[at : at + 300] = b"\xff" * 300
    return bytes(signed)


def test_a_garbage_manifest_is_present_but_unreadable(tmp_path: Path, signer: SigningFiles) -> None:
    found = content_credentials(written(tmp_path, garbage(picture(), signer)), HERE)
    assert found.state is CredentialState.UNREADABLE
    assert "claim" in found.reason
    assert str(tmp_path) not in found.in_words


def test_every_damage_is_a_value(tmp_path: Path, signer: SigningFiles) -> None:
    signed = sign(picture(), signer)
    at = signed.find(b"jumb")
    random = np.random.default_rng(7)
    for length in (1, 8, 64, 512):
        for start in random.integers(at, at + 3000, 12).tolist():
            damaged = bytearray(signed)
            damaged[start : start + length] = random.bytes(length)
            found = content_credentials(written(tmp_path, bytes(damaged)), HERE)
            assert found.state not in (CredentialState.TRUSTED, CredentialState.NOT_CHECKED), (start, length)
            assert found.in_words
    for end in (at + 20, at + 200, at + 2000):
        assert not content_credentials(written(tmp_path, signed[:end]), HERE).state.is_valid


@isolated
def test_a_manifest_that_crashes_its_process_is_unreadable(
    tmp_path: Path, signer: SigningFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, sign(picture(), signer))
    monkeypatch.setattr(
        sys, "executable", crashing_python(tmp_path, "monitor.media.content_credentials", "read_credentials")
    )
    found = content_credentials(path, ISOLATED)
    assert found.state is CredentialState.UNREADABLE
    assert found.reason == "the process that reads it crashed (SIGABRT); is it damaged?"


def test_a_big_manifest_is_read_and_its_report_stays_small(tmp_path: Path, signer: SigningFiles) -> None:
    notes = [{"label": "com.example.notes", "data": {"text": "x" * 700_000}}]
    edits = [{"action": "c2pa.edited", "description": f"{number}"} for number in range(2000)]
    signed = sign(picture(), signer, actions=[created(AI), *edits], assertions=notes)
    for _ in range(4):  # each copy carries the manifests of all that it was made from
        signed = sign(signed, signer, actions=edits, assertions=notes, parent=signed)
    assert len(signed) > 3_500_000
    started = time.monotonic()
    found = content_credentials(written(tmp_path, signed), HERE)
    assert time.monotonic() - started < 20
    assert found.state is CredentialState.VALID
    assert len(found.actions) == 50
    assert found.ai_use is AiUse.GENERATED
    assert len(json.dumps(found.to_dict())) < 20_000


def test_nothing_is_fetched(tmp_path: Path) -> None:
    with web_server(tmp_path) as server:
        asking = write_signing_files(tmp_path / "asking", ocsp=f"{server.url}/ocsp")
        remote = sign(picture(), asking, remote=f"{server.url}/far.c2pa?token=abc")
        embedded = sign(picture(), asking)
        far = content_credentials(written(tmp_path, remote), knowing(asking))
        near = content_credentials(written(tmp_path, embedded, "b.jpg"), knowing(asking))
        assert server.asked == []
        # the same files make the library ask where it may
        with (
            c2pa.Context.from_dict({"verify": {"remote_manifest_fetch": True}}) as context,
            pytest.raises(c2pa.C2paError, match="Remote"),
        ):
            c2pa.Reader("image/jpeg", io.BytesIO(remote), context=context)
        assert [path.partition("?")[0] for path in server.asked] == ["/far.c2pa"]
        allowed = {"verify": {"ocsp_fetch": True}, "trust": {"user_anchors": asking.root.read_text()}}
        with c2pa.Context.from_dict(allowed) as context:
            c2pa.Reader("image/jpeg", io.BytesIO(embedded), context=context).close()
        assert len(server.asked) == 2
    assert far.state is CredentialState.REMOTE
    assert "/far.c2pa" in far.reason
    assert "abc" not in far.in_words
    assert near.state is CredentialState.TRUSTED


def test_a_platform_without_the_library_says_so_once(
    tmp_path: Path, signer: SigningFiles, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, sign(picture(), signer))
    load_library.cache_clear()
    module._warn_once.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with caplog.at_level(logging.WARNING):
        found = [content_credentials(path, HERE) for _ in range(3)]
    assert {one.state for one in found} == {CredentialState.NOT_CHECKED}
    assert "they cannot be read here: the package c2pa-python is not installed." in found[0].in_words
    assert [record.message for record in caplog.records].count(
        "content credentials cannot be read here: the package c2pa-python is not installed"
    ) == 1
    assert content_credentials(written(tmp_path, picture(), "b.jpg"), HERE).state is CredentialState.NONE


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "cannot be read: No such file"),
        (lambda path: path.write_text("hello"), "no certificates that can be read"),
        (lambda path: path.write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"), "no certificates"),
    ],
)
def test_a_wrong_list_of_signers_is_one_sentence(
    tmp_path: Path, signer: SigningFiles, make: Callable[[Path], object], words: str
) -> None:
    listed = tmp_path / "list.pem"
    make(listed)
    settings = HERE.model_copy(update={"credentials": CredentialSettings(trusted_signers=listed)})
    with pytest.raises(UsageError, match=f"setting credentials.trusted_signers: .*{words}"):
        content_credentials(written(tmp_path, sign(picture(), signer)), settings)


def test_a_file_that_is_gone_is_a_value(tmp_path: Path) -> None:
    found = content_credentials(tmp_path / "gone.jpg", HERE)
    assert (found.state, found.reason) == (CredentialState.UNREADABLE, "No such file or directory")
