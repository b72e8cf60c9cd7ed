import base64
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.flagging import clip, flag

from monitor.errors import BundleError, OutputError
from monitor.flags import bundle
from monitor.flags.bundle import MANIFEST, ExportedBundle, export, verify
from monitor.flags.database import FlagStore
from monitor.flags.files import FlagFiles
from monitor.types import ClipState, Opinion

FILES = {"frame.jpg": b"a picture", "clip.mp4": clip(), "trace.json": b"{}"}
KEPT = {"clip": ClipState.KEPT, "clip_start": 10.0, "clip_end": 14.0}
Members = dict[str, bytes]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FlagStore]:
    with FlagStore.open(f"sqlite:///{tmp_path}/flags.db") as store:
        yield store


@pytest.fixture
def exhibits(tmp_path: Path) -> FlagFiles:
    return FlagFiles(tmp_path / "files")


@pytest.fixture
def exported(store: FlagStore, exhibits: FlagFiles, tmp_path: Path) -> ExportedBundle:
    for number in range(2):
        one = flag(number, source="Zoë's camera", **KEPT)
        store.add(replace(one, exhibits=exhibits.create(one.id, FILES)), actor="ada")
    store.review(flag(1).id, actor="bob", opinion=Opinion.FAKE)
    return export(tmp_path / "out" / "two.zip", store.find(), store=store, exhibits=exhibits, actor="bob")


def rewritten(path: Path, change: Callable[[Members], object]) -> Path:
    """A copy of the bundle with changed members."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    copy = path.with_name("touched.zip")
    with zipfile.ZipFile(copy, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return copy


def listed_anew(members: Members, name: str, content: bytes) -> None:
    """Changes a member and its entry in the manifest."""
    members[name] = content
    manifest = json.loads(members[MANIFEST])
    manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    members[MANIFEST] = json.dumps(manifest).encode()


def declared_anew(members: Members, name: str, kept: str) -> None:
    """Declares a member as altered by the export."""
    manifest = json.loads(members[MANIFEST])
    manifest["altered"][name] = {"why": "1 face blurred", "kept_sha256": kept}
    members[MANIFEST] = json.dumps(manifest).encode()


FIRST = f"flags/{flag(0).id}"


def test_an_export_contains_all_files_and_is_valid(exported: ExportedBundle, store: FlagStore) -> None:
    found = verify(exported.path)
    assert found.faults == exported.missing == ()
    assert found.sha256 == exported.sha256
    assert found.flags == (flag(1).id, flag(0).id)
    with zipfile.ZipFile(exported.path) as archive:
        assert archive.read(f"{FIRST}/clip.mp4") == clip()
        assert archive.read("report.pdf").startswith(b"%PDF")
        assert "report.pdf" in json.loads(archive.read(MANIFEST))["files"]
        assert json.loads(archive.read(f"{FIRST}/flag.json"))["source"] == "Zoë's camera"
        assert [event["action"] for event in json.loads(archive.read("log.json"))] == ["flagged", "reviewed", "flagged"]
    last = store.events(flag(0).id)[-1]
    assert (last.action, last.actor, last.details) == ("exported", "bob", {"manifest_sha256": exported.sha256})


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (lambda m: m.update({f"{FIRST}/clip.mp4": b"a clap"}), [f"{FIRST}/clip.mp4 was changed"]),
        (lambda m: m.pop("report.html"), ["report.html is missing"]),
        (lambda m: m.update({"report.pdf": b"%PDF of another"}), ["report.pdf was changed"]),
        (lambda m: m.update({"more.txt": b""}), ["more.txt was added"]),
        (lambda m: listed_anew(m, f"{FIRST}/clip.mp4", b"a clap"), [f"{FIRST}/clip.mp4 is not the stored file"]),
        (
            lambda m: listed_anew(m, f"{FIRST}/flag.json", m[f"{FIRST}/flag.json"].replace(b"ada", b"eve")),
            [f"{FIRST}/flag.json does not match log.json"],
        ),
        (
            lambda m: listed_anew(m, "log.json", m["log.json"].replace(b"bob", b"eve")),
            ["log.json: event 3 was changed"],
        ),
    ],
)
def test_a_changed_member_is_reported(
    exported: ExportedBundle, change: Callable[[Members], object], faults: list[str]
) -> None:
    found = verify(rewritten(exported.path, change))
    assert list(found.faults) == faults


def test_a_rewritten_bundle_has_another_manifest_hash(exported: ExportedBundle) -> None:
    touched = rewritten(exported.path, lambda m: listed_anew(m, "report.html", b"all is well"))
    assert verify(touched).faults == ()
    assert verify(touched).sha256 != exported.sha256


def test_a_flipped_byte_is_detected(exported: ExportedBundle) -> None:
    content = bytearray(exported.path.read_bytes())
    content[content.index(clip())] ^= 1
    exported.path.write_bytes(content)
    assert verify(exported.path).faults == (f"flags/{flag(1).id}/clip.mp4 was changed",)


def test_random_damage_is_a_fault_or_an_error_or_harmless(
    exported: ExportedBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "clip_faults", lambda _: [])  # a process for each harmless one; see TestClips
    whole = exported.path.read_bytes()
    seen = 0
    for place in range(0, len(whole), 101):
        exported.path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        try:
            seen += bool(verify(exported.path).faults)
        except BundleError:
            seen += 1
    assert seen > 0.5 * len(whole) / 101, "most of the file is content"


def test_a_missing_file_is_reported(store: FlagStore, exhibits: FlagFiles, tmp_path: Path) -> None:
    one = flag(clip=ClipState.KEPT)
    store.add(replace(one, exhibits=exhibits.create(one.id, FILES)), actor="ada")
    (exhibits.folder(one.id) / "clip.mp4").unlink()
    made = export(tmp_path / "one.zip", [store.get(one.id)], store=store, exhibits=exhibits, actor="ada")
    assert made.missing == (f"{one.id}/clip.mp4",)
    assert verify(made.path).faults == ()
    with zipfile.ZipFile(made.path) as archive:
        assert "Missing files:</strong> clip.mp4" in archive.read("report.html").decode()


class TestClips:
    """Clips against the spans that their flags state."""

    @pytest.mark.parametrize(
        ("times", "facts", "fault"),
        [
            ((0.0, 2.0, 4.0), KEPT, None),
            ((0.0, 1.9, 3.8), KEPT, "clip.mp4 has 3.80 s, but the flag states 4.00 s"),
            ((0.0, 3.0, 6.0), KEPT, "clip.mp4 has 6.00 s, but the flag states 4.00 s"),
            ((0.0, 1.9, 3.8), KEPT | {"clip_end": 13.8}, None),
            ((0.0, 2.0, 5.0), {"clip": ClipState.KEPT}, None),
            (
                (0.0, 1.0, 2.5),
                {"clip": ClipState.KEPT},
                "clip.mp4 has 2.50 s of the requested 4.00 s, and the flag does not say so",
            ),
            (None, KEPT, "clip.mp4 cannot be read as a video"),
        ],
    )
    def test_a_clip_of_another_length_is_a_fault(
        self,
        store: FlagStore,
        exhibits: FlagFiles,
        tmp_path: Path,
        times: tuple[float, ...] | None,
        facts: dict[str, object],
        fault: str | None,
    ) -> None:
        one = flag(**facts)
        files = {"clip.mp4": b"no video" if times is None else clip(times)}
        store.add(replace(one, exhibits=exhibits.create(one.id, files)), actor="ada")
        made = export(tmp_path / "one.zip", store.find(), store=store, exhibits=exhibits, actor="ada")
        assert list(verify(made.path).faults) == ([] if fault is None else [f"{FIRST}/{fault}"])


class TestPackedAgain:
    """A bundle that was unpacked or packed by another program is valid; a changed byte is still found."""

    @staticmethod
    def packed(exported: ExportedBundle, rename: Callable[[str], str], *, extra: Sequence[str] = ()) -> Path:
        copy = exported.path.with_name("again.zip")
        with zipfile.ZipFile(exported.path) as archive, zipfile.ZipFile(copy, "w", zipfile.ZIP_BZIP2) as again:
            for name in (*extra, *reversed(archive.namelist())):
                info = zipfile.ZipInfo("x")
                info.filename = name if name in extra else rename(name)  # the constructor would change back slashes
                again.writestr(info, b"" if name.endswith("/") else b"x" if name in extra else archive.read(name))
        return copy

    @pytest.mark.parametrize(
        ("rename", "extra"),
        [
            (lambda name: name, ("flags/", f"{FIRST}/")),
            (lambda name: f"./{name}", ()),
            (lambda name: f"my export/two/{name}", ("my export/", "my export/two/")),
            (lambda name: name.replace("/", "\\"), ()),
            (lambda name: "top\\" + name.replace("/", "\\"), ()),
        ],
    )
    def test_it_is_valid(
        self,
        exported: ExportedBundle,
        rename: Callable[[str], str],
        extra: Sequence[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(bundle, "clip_faults", lambda _: [])  # see TestClips
        found = verify(self.packed(exported, rename, extra=extra))
        assert (found.faults, found.ignored, found.sha256) == ((), (), exported.sha256)

    def test_files_of_an_operating_system_are_named_and_no_fault(self, exported: ExportedBundle) -> None:
        extra = (".DS_Store", f"__MACOSX/{FIRST}/._clip.mp4", f"{FIRST}/Thumbs.db")
        found = verify(self.packed(exported, lambda name: name, extra=extra))
        assert found.faults == ()
        assert set(found.ignored) == set(extra)

    def test_files_beside_the_folder_on_top_were_added(self, exported: ExportedBundle) -> None:
        found = verify(self.packed(exported, lambda name: f"top/{name}", extra=("clip.mp4",)))
        assert found.faults == ("clip.mp4 was added",)

    def test_two_spellings_of_one_name_are_reported(self, exported: ExportedBundle) -> None:
        found = verify(self.packed(exported, lambda name: name, extra=(f"{FIRST}\\clip.mp4",)))
        assert f"{FIRST}/clip.mp4 occurs twice" in found.faults

    def test_several_bundles_in_one_zip_are_refused(self, exported: ExportedBundle) -> None:
        copy = self.packed(exported, lambda name: f"top/{name}", extra=("other/manifest.json",))
        with pytest.raises(BundleError, match=r"it holds several \(top/, other/\); unpack it"):
            verify(copy)

    def test_the_unpacked_folder_is_verified(self, exported: ExportedBundle, tmp_path: Path) -> None:
        folder = tmp_path / "unpacked" / "two"
        with zipfile.ZipFile(exported.path) as archive:
            archive.extractall(folder)
        (folder / "empty").mkdir()
        (folder / ".DS_Store").write_bytes(b"x")
        found = verify(folder)
        assert (found.faults, found.ignored, found.sha256) == ((), (".DS_Store",), exported.sha256)
        with pytest.raises(BundleError, match=r"its subfolder two may be one; verify .*unpacked/two"):
            verify(folder.parent)
        (folder / FIRST / "clip.mp4").write_bytes(clip()[:-1] + b"x")
        (folder / "linked").symlink_to(tmp_path)
        (folder / "report.pdf").unlink()
        assert verify(folder).faults == ("report.pdf is missing", "linked was added", f"{FIRST}/clip.mp4 was changed")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("not-there.zip", "it does not exist; is the path right"),
        ("text.zip", "it is no zip file"),
        ("folder", "the folder has no manifest.json"),
        ("other.zip", "it has no manifest.json"),
        ("locked.zip", "packed again with a password"),
        ("broken.zip", "its manifest.json, log.json or a flag.json is malformed"),
    ],
)
def test_the_sentence_names_the_cause(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.zip").write_text("hello")
    for file, member in (("other.zip", "a.txt"), ("broken.zip", MANIFEST), ("locked.zip", MANIFEST)):
        with zipfile.ZipFile(tmp_path / file, "w") as archive:
            archive.writestr(member, b"{}")
    locked = bytearray((tmp_path / "locked.zip").read_bytes())
    for header, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(header) + place] |= 1  # the bit for encryption
    (tmp_path / "locked.zip").write_bytes(locked)
    with pytest.raises(BundleError, match=f"is not a bundle of flags: .*{why}") as caught:
        verify(tmp_path / name)
    assert "Errno" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 hardly"])
def test_another_file_is_refused_with_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(BundleError, match="is not a bundle of flags"):
        verify(tmp_path / "a.zip")
    with pytest.raises(BundleError, match="is not a bundle of flags"):
        verify(tmp_path / "not-there.zip")


def test_another_zip_is_refused_with_one_sentence(tmp_path: Path) -> None:
    for content in (b"{}", b"[]", b'{"files": {}, "format": 99}', b'{"files": [], "format": 1}', b"\xff"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(MANIFEST, content)
        with pytest.raises(BundleError):
            verify(tmp_path / "a.zip")


def test_a_failed_write_leaves_nothing(store: FlagStore, exhibits: FlagFiles, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        export(tmp_path / "out" / "a.zip", [], store=store, exhibits=exhibits, actor="ada")


class TestBlurred:
    @pytest.fixture
    def blurred(self, store: FlagStore, exhibits: FlagFiles, tmp_path: Path) -> ExportedBundle:
        noise = np.random.default_rng(1).integers(0, 255, (100, 200, 3), np.uint8)
        faces = [{"track_id": 1, "box": [10, 10, 60, 80]}, {"track_id": 2, "box": [120, 10, 170, 80]}]
        files = {
            "frame.jpg": cv2.imencode(".jpg", noise)[1].tobytes(),
            "faces.json": json.dumps({"faces": faces, "width": 200, "height": 100}).encode(),
            "clip.mp4": clip(),
        }
        one = flag(clip=ClipState.KEPT)
        store.add(replace(one, exhibits=exhibits.create(one.id, files)), actor="ada")
        return export(tmp_path / "a.zip", store.find(), store=store, exhibits=exhibits, actor="bob", blur=True)

    def test_it_is_valid_and_lists_the_alterations(self, blurred: ExportedBundle, store: FlagStore) -> None:
        found = verify(blurred.path)
        assert found.faults == ()
        assert found.declared == (
            f"{FIRST}/frame.jpg was altered by the export: 1 face blurred",
            f"{FIRST}/clip.mp4 was omitted: the positions of its faces are not stored for every frame, "
            "and it cannot be blurred: no face was found in it",
        )
        (skipped,) = blurred.skipped
        assert skipped.endswith("it cannot be blurred: no face was found in it")
        assert blurred.missing == ()
        assert store.events(flag(0).id)[-1].details == {"manifest_sha256": blurred.sha256, "blurred": True}
        kept = store.get(flag(0).id).exhibits[0].sha256
        with zipfile.ZipFile(blurred.path) as archive:
            manifest = json.loads(archive.read(MANIFEST))
            assert manifest["altered"] == {f"{FIRST}/frame.jpg": {"why": "1 face blurred", "kept_sha256": kept}}
            assert f"{FIRST}/clip.mp4" not in archive.namelist()
            report = archive.read("report.html").decode()
        assert kept in report
        assert manifest["files"][f"{FIRST}/frame.jpg"]["sha256"] in report
        assert "clip.mp4, because the positions of its faces are not stored" in report

    def test_no_file_contains_the_stored_picture(self, blurred: ExportedBundle, exhibits: FlagFiles) -> None:
        kept = (exhibits.folder(flag(0).id) / "frame.jpg").read_bytes()
        with zipfile.ZipFile(blurred.path) as archive:
            for name in archive.namelist():
                content = archive.read(name)
                assert kept not in content
                assert base64.b64encode(kept) not in content

    @pytest.mark.parametrize(
        ("change", "faults"),
        [
            (lambda m: m.update({f"{FIRST}/frame.jpg": b"another"}), [f"{FIRST}/frame.jpg was changed"]),
            (lambda m: m.update({f"{FIRST}/clip.mp4": clip()}), [f"{FIRST}/clip.mp4 was added"]),
            (
                lambda m: listed_anew(m, f"{FIRST}/faces.json", b"{}"),
                [f"{FIRST}/faces.json is not the stored file"],
            ),
            (
                lambda m: declared_anew(m, f"{FIRST}/frame.jpg", "00" * 32),
                [f"{FIRST}/frame.jpg is not the stored file"],
            ),
            (
                lambda m: declared_anew(m, f"{FIRST}/more.jpg", "00" * 32),
                [f"{FIRST}/more.jpg is declared altered, but belongs to no flag"],
            ),
            (
                lambda m: declared_anew(m, f"{FIRST}/faces.json", hashlib.sha256(m[f"{FIRST}/faces.json"]).hexdigest()),
                [f"{FIRST}/faces.json is declared altered, but is not a picture"],
            ),
        ],
    )
    def test_later_tampering_is_reported(
        self, blurred: ExportedBundle, change: Callable[[Members], object], faults: list[str]
    ) -> None:
        assert list(verify(rewritten(blurred.path, change)).faults) == faults
