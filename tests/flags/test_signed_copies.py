"""Signed exports: content credentials in pictures, clips and report, with hashes that stay right."""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.certificates import SigningFiles, write_signing_files
from support.flag_storage import Storage, on_both
from support.flagging import clip, flag
from support.signed_media import picture

from monitor.errors import UsageError
from monitor.flags.bundle import ExportedBundle, export, verify
from monitor.flags.database import FlagStore
from monitor.flags.files import FlagFiles
from monitor.flags.signed_copies import SIGNED
from monitor.media.content_credentials import content_credentials
from monitor.settings import CredentialSettings, Settings
from monitor.types import ClipState, CredentialState

FILES = {"frame.jpg": picture(), "overlay.jpg": picture(), "clip.mp4": clip(), "trace.json": b"{}"}
FACES = {"faces": [{"track_id": 2, "box": [5, 5, 30, 30]}], "width": 64, "height": 64}
KEPT = {"clip": ClipState.KEPT, "clip_start": 10.0, "clip_end": 14.0}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FlagStore]:
    with FlagStore.open(f"sqlite:///{tmp_path}/flags.db") as store:
        yield store


@pytest.fixture
def exhibits(storage: Storage) -> FlagFiles:
    return storage.files()


@pytest.fixture
def files(tmp_path: Path) -> SigningFiles:
    return write_signing_files(tmp_path / "owner", name="Desk")


def owner(files: SigningFiles) -> CredentialSettings:
    return CredentialSettings(certificates=files.chain, private_key=files.key, trusted_signers=files.root)


def exported(
    folder: Path,
    store: FlagStore,
    exhibits: FlagFiles,
    credentials: CredentialSettings,
    *,
    content: dict[str, bytes] = FILES,
    blur: bool = False,
) -> ExportedBundle:
    one = flag(0, source="cam", source_sha256="cd" * 32, **KEPT)
    store.add(replace(one, exhibits=exhibits.create(one.id, content)), actor="ada")
    return export(
        folder / "out" / "one.zip",
        store.find(),
        store=store,
        exhibits=exhibits,
        actor="bob",
        blur=blur,
        credentials=credentials,
    )


def unpacked(bundle: ExportedBundle, folder: Path) -> dict[str, Path]:
    with zipfile.ZipFile(bundle.path) as archive:
        archive.extractall(folder)
    return {path.name: path for path in folder.rglob("*") if path.is_file()}


def test_pictures_clip_and_report_are_signed_and_the_bundle_is_verified(
    tmp_path: Path, store: FlagStore, exhibits: FlagFiles, files: SigningFiles
) -> None:
    settings = Settings(credentials=owner(files))
    bundle = exported(tmp_path, store, exhibits, settings.credentials)
    members = unpacked(bundle, tmp_path / "unpacked")
    for name in ("frame.jpg", "overlay.jpg", "clip.mp4", "report.pdf"):
        found = content_credentials(members[name], settings)
        assert found.state is CredentialState.TRUSTED, name
        assert found.signer == "Desk", name
        actions = [action.action for action in found.actions]
        expected = {"clip.mp4": "c2pa.trimmed", "report.pdf": "c2pa.created", "overlay.jpg": "c2pa.drawing"}
        assert expected.get(name, "c2pa.transcoded") in actions
        assert name == "report.pdf" or b"cd" * 32 in members[name].read_bytes()
    verification = verify(bundle.path)
    assert verification.faults == ()
    assert len([clause for clause in verification.declared if clause.endswith(SIGNED)]) == 3
    assert bundle.unsigned == ()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.zip"]


def test_the_stored_files_stay_as_they_are(
    tmp_path: Path, store: FlagStore, exhibits: FlagFiles, files: SigningFiles
) -> None:
    exported(tmp_path, store, exhibits, owner(files))
    (kept,) = store.find()
    assert exhibits.faults(kept) == []


def test_a_signed_file_that_was_changed_afterwards_is_a_fault(
    tmp_path: Path, store: FlagStore, exhibits: FlagFiles, files: SigningFiles
) -> None:
    bundle = exported(tmp_path, store, exhibits, owner(files))
    members = unpacked(bundle, tmp_path / "unpacked")
    content = bytearray(members["frame.jpg"].read_bytes())
    content[-50] ^= 1
    members["frame.jpg"].write_bytes(content)
    assert verify(tmp_path / "unpacked").faults == (f"flags/{flag(0).id}/frame.jpg was changed",)
    assert content_credentials(members["frame.jpg"], Settings()).state is CredentialState.INVALID


@on_both
def test_a_blurred_picture_states_both(
    tmp_path: Path, store: FlagStore, exhibits: FlagFiles, files: SigningFiles
) -> None:
    settings = Settings(credentials=owner(files))
    content = {"frame.jpg": picture(), "faces.json": json.dumps(FACES).encode()}
    bundle = exported(tmp_path, store, exhibits, settings.credentials, content=content, blur=True)
    members = unpacked(bundle, tmp_path / "unpacked")
    found = content_credentials(members["frame.jpg"], settings)
    assert found.state is CredentialState.TRUSTED
    assert [(one.action, one.description) for one in found.actions][-1] == ("c2pa.edited", "1 face blurred")
    manifest = json.loads(members["manifest.json"].read_bytes())
    assert manifest["altered"][f"flags/{flag(0).id}/frame.jpg"]["why"] == f"1 face blurred; {SIGNED}"
    assert verify(bundle.path).faults == ()


def test_without_settings_nothing_changes(tmp_path: Path, store: FlagStore, exhibits: FlagFiles) -> None:
    bundle = exported(tmp_path, store, exhibits, CredentialSettings())
    members = unpacked(bundle, tmp_path / "unpacked")
    assert {name: members[name].read_bytes() for name in FILES} == FILES
    assert b"c2pa" not in members["report.pdf"].read_bytes()
    assert verify(bundle.path).declared == ()


def test_a_file_that_cannot_be_signed_is_exported_as_it_is(
    tmp_path: Path, store: FlagStore, exhibits: FlagFiles, files: SigningFiles
) -> None:
    bundle = exported(tmp_path, store, exhibits, owner(files), content={"frame.jpg": picture(), "overlay.jpg": b"no"})
    (clause,) = bundle.unsigned
    assert clause.startswith(f"{flag(0).id}/overlay.jpg: asset could not be parsed")
    assert verify(bundle.path).faults == ()
    assert unpacked(bundle, tmp_path / "unpacked")["overlay.jpg"].read_bytes() == b"no"


def test_a_wrong_key_is_one_sentence_and_leaves_no_bundle(
    tmp_path: Path, store: FlagStore, exhibits: FlagFiles, files: SigningFiles
) -> None:
    wrong = owner(files).model_copy(update={"private_key": write_signing_files(tmp_path / "other").key})
    with pytest.raises(UsageError, match="does not belong to the first certificate"):
        exported(tmp_path, store, exhibits, wrong)
    assert list((tmp_path / "out").iterdir()) == []
