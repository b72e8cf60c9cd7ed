"""Files as answers; tests/server/test_routes.py asks for them over HTTP."""

import asyncio
import io
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.responses import FileResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from support.certificates import write_signing_files
from support.flag_storage import BucketStorage, Storage, on_both
from support.flagging import flag

from monitor.errors import FlagNotFoundError, OutputError, StoreError
from monitor.flags.archive import FlagArchive
from monitor.flags.bundle import verify
from monitor.server.sent_files import export_flags, flag_file, result_file
from monitor.settings import CredentialSettings


@pytest.fixture
def archive(storage: Storage) -> Iterator[FlagArchive]:
    with storage.archive() as archive:
        archive.add(flag(), {"frame.jpg": b"a picture"})
        yield archive


async def note() -> None: ...


@on_both
def test_only_recorded_files_of_a_flag_are_sent(archive: FlagArchive, storage: Storage) -> None:
    one = archive.store.get(flag().id)
    assert isinstance(flag_file(archive, one, "frame.jpg"), FileResponse)
    storage.write(one.id, "notes.txt", b"not recorded")
    for name in ("notes.txt", "../flags.db", "clip.mp4"):
        with pytest.raises(OutputError, match="no file"):
            flag_file(archive, one, name)


@on_both
def test_a_part_of_a_file_is_sent_and_a_deleted_file_is_not(archive: FlagArchive, storage: Storage) -> None:
    one = archive.store.get(flag().id)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await flag_file(archive, one, "frame.jpg")(scope, receive, send)

    client = TestClient(answer)
    whole, part = client.get("/"), client.get("/", headers={"Range": "bytes=2-4"})
    assert (whole.status_code, whole.content) == (200, b"a picture")
    assert (part.status_code, part.content, part.headers["etag"]) == (206, b"pic", whole.headers["etag"])
    storage.delete(one.id, "frame.jpg")
    with pytest.raises(OutputError, match="no longer exists"):
        flag_file(archive, one, "frame.jpg")


def test_a_store_that_does_not_answer_is_no_missing_file(archive: FlagArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Path:
        raise OutputError("the store does not answer")

    monkeypatch.setattr(archive.files, "path", fail)
    with pytest.raises(StoreError, match="does not answer"):
        flag_file(archive, archive.store.get(flag().id), "frame.jpg")


def test_a_file_has_the_same_etag_on_every_machine(bucket: BucketStorage, tmp_path: Path) -> None:
    tags = set()
    for machine in ("one", "other"):
        settings = bucket.settings.model_copy(update={"folder": tmp_path / machine})
        with FlagArchive.open(settings) as archive:
            if machine == "one":
                archive.add(flag(), {"frame.jpg": b"a picture"})
            tags.add(flag_file(archive, archive.store.get(flag().id), "frame.jpg").headers["etag"])
    assert len(tags) == 1


def test_only_files_in_the_folder_of_the_results_are_sent(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "report.json").write_text("{}")
    (tmp_path / "secret").write_text("x")
    assert isinstance(result_file(tmp_path / "results", "report.json"), FileResponse)
    for folder, name in ((tmp_path / "results", "../secret"), (tmp_path / "results", "absent"), (None, "report.json")):
        with pytest.raises(OutputError, match="no file"):
            result_file(folder, name)
    with pytest.raises(OutputError, match="analyse the file again"):
        result_file(tmp_path / "results", "report.html")


def test_a_bundle_is_whole_and_its_folder_is_deleted_after_an_error(
    archive: FlagArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))

    async def full() -> None:
        raise StoreError("no space left")

    with pytest.raises(FlagNotFoundError):
        asyncio.run(export_flags(archive, ["absent"], actor="ada", note=note, credentials=CredentialSettings()))
    with pytest.raises(StoreError):
        asyncio.run(export_flags(archive, [flag().id], actor="ada", note=full, credentials=CredentialSettings()))
    assert list((tmp_path / "scratch").iterdir()) == []
    answer = asyncio.run(export_flags(archive, [flag().id], actor="ada", note=note, credentials=CredentialSettings()))
    assert isinstance(answer, FileResponse)
    assert verify(Path(answer.path)).flags == (flag().id,)
    assert answer.background is not None
    asyncio.run(answer.background())
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_bundle_is_signed_with_the_owners_certificate(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(picture, "JPEG")
    archive = FlagArchive(tmp_path / "kept")
    archive.add(flag(), {"frame.jpg": picture.getvalue()})
    files = write_signing_files(tmp_path / "owner", name="Desk")
    owner = CredentialSettings(certificates=files.chain, private_key=files.key)
    answer = asyncio.run(export_flags(archive, [flag().id], actor="ada", note=note, credentials=owner))
    assert isinstance(answer, FileResponse)
    with zipfile.ZipFile(answer.path) as bundle:
        (name,) = (one for one in bundle.namelist() if one.endswith("frame.jpg"))
        assert b"c2pa" in bundle.read(name)
    assert answer.background is not None
    asyncio.run(answer.background())
