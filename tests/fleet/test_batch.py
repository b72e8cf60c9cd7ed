"""``fleet analyze`` on real Ray: the results of ``analyze``, whatever is killed meanwhile."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks.fleet_batch import survive_kills
from support.archive_clips import assert_equal_results, read_report, results, write_archive, write_clip
from support.ray_nodes import RayNodes

from monitor import api
from monitor.analysis.pipeline import Engines
from monitor.fleet.batch import shippable, to_csv, to_jsonl
from monitor.fleet.file_outcome import FileOutcome
from monitor.settings import Settings

pytest.importorskip("ray", reason="needs the extra fleet")
moto_server = pytest.importorskip("moto.server", reason="needs moto's server, an S3 store on loopback")
s3fs = pytest.importorskip("s3fs", reason="needs the extra fleet")


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    """The environment of an S3 store on loopback."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    server.stop()


@pytest.fixture(scope="module")
def nodes(store: dict[str, str]) -> Iterator[RayNodes]:
    with RayNodes(2, environment=store) as started:
        yield started


def rows_of(text: str) -> dict[str, dict[str, str]]:
    return {Path(row["source"]).name: row for row in csv.DictReader(text.splitlines())}


def plain(files: list[Path], out: Path, *, engines: Engines, settings: Settings) -> Path:
    for file in files:
        api.analyze(str(file), settings=settings, engines=engines, out=out)
    return out


@pytest.mark.fleet
@pytest.mark.timeout(400)
def test_results_are_those_of_analyze_and_what_is_done_is_not_done_again(
    nodes: RayNodes, engines: Engines, settings: Settings, tmp_path: Path
) -> None:
    files = write_archive(tmp_path / "in" / "deep", files=3, frames=12)
    (tmp_path / "in" / "broken.mp4").write_text("no video at all")
    out = tmp_path / "out"
    said = nodes.run(tmp_path / "in", "--out", out, code=3)
    assert said.count("error:") == 1
    assert "4 files: " in said
    assert "1 failed" in said
    expected = plain(files, tmp_path / "plain", engines=engines, settings=settings)
    found = results(out)
    assert {name: len(folders) for name, folders in found.items()} == {"clip000": 1, "clip001": 1, "clip002": 1}
    for name, (folder,) in found.items():
        assert_equal_results(folder, expected / name)
    table = rows_of((out / "results.csv").read_text(encoding="utf-8"))
    assert "broken.mp4" in table["broken.mp4"]["error"]
    assert table["clip001.mp4"]["label"] == read_report(expected / "clip001")["verdict"]["label"]
    written = {name: (folder / "report.json").stat().st_ino for name, (folder,) in found.items()}

    write_clip(files[1], frames=14, seed=9)
    manifest = tmp_path / "list.csv"
    manifest.write_text("path\n" + "".join(f"in/deep/{file.name}\n" for file in files))
    said = nodes.run(f"@{manifest}", "--out", out)
    assert "3 files (2 done before): " in said
    found = results(out)
    again = {name: (folder / "report.json").stat().st_ino for name, (folder,) in found.items()}
    assert {name for name in written if written[name] != again[name]} == {"clip001"}, "the changed file alone"
    assert read_report(found["clip001"][0])["frames"]["analysed"] == 14

    said = nodes.run(files[0], "--out", out, "--no-video", "--set", "tracker.max_age=2")
    assert "1 files: " in said, "other settings, another result"
    assert sorted(path.name for path in results(out)["clip000"][0].iterdir()) == [
        *("done.json", "report.json", "timeline.csv")
    ]


@pytest.mark.fleet
@pytest.mark.fault
@pytest.mark.timeout(400)
def test_a_file_that_kills_its_worker_twice_fails_and_the_others_are_done(nodes: RayNodes, tmp_path: Path) -> None:
    write_archive(tmp_path / "in", files=3, frames=10)
    write_clip(tmp_path / "in" / "poison.mp4", frames=500)
    command = nodes.start(tmp_path / "in", "--out", tmp_path / "out")
    first = nodes.kill_worker_of("poison")
    nodes.kill_worker_of("poison", but=first)
    said, errors = command.communicate(timeout=300)
    assert command.returncode == 1, said + errors
    assert errors.count("error:") == 1
    assert "poison.mp4: 2 workers died while they analysed it, so it is left out" in errors
    assert sorted(results(tmp_path / "out")) == ["clip000", "clip001", "clip002"]
    assert "died" not in said, "Ray's own paragraphs are not printed"


@pytest.mark.fleet
@pytest.mark.fault
@pytest.mark.timeout(400)
def test_a_killed_worker_node_and_command_leave_one_result_per_file(nodes: RayNodes, tmp_path: Path) -> None:
    survive_kills(nodes, tmp_path, files=8, frames=75)


@pytest.mark.fleet
@pytest.mark.timeout(400)
def test_files_and_results_may_be_in_an_s3_store(
    nodes: RayNodes, store: dict[str, str], engines: Engines, settings: Settings, tmp_path: Path
) -> None:
    files = write_archive(tmp_path / "in", files=2, frames=12)
    bucket = s3fs.S3FileSystem(
        key=store["AWS_ACCESS_KEY_ID"],
        secret=store["AWS_SECRET_ACCESS_KEY"],
        endpoint_url=store["AWS_ENDPOINT_URL"],
        use_listings_cache=False,
    )
    bucket.mkdir("archive")
    bucket.mkdir("verdicts")
    for file in files:
        bucket.put_file(str(file), f"archive/2026/{file.name}")
    bucket.pipe_file("archive/2026/notes.txt", b"not a video")
    assert "2 files: " in nodes.run("s3://archive/2026", "--out", "s3://verdicts/run")
    expected = plain(files, tmp_path / "plain", engines=engines, settings=settings)

    def fetched() -> dict[str, tuple[str, Path]]:
        table = bucket.cat_file("verdicts/run/results.csv").decode()
        folders = {}
        for name, row in rows_of(table).items():
            target = tmp_path / "fetched" / row["folder"]
            target.mkdir(parents=True, exist_ok=True)
            for path in bucket.ls(f"verdicts/run/{row['folder']}", detail=False):
                bucket.get_file(path, str(target / Path(path).name))
            folders[name] = row["folder"], target
        return folders

    before = fetched()
    for name, (_, folder) in before.items():
        report, wanted = read_report(folder), read_report(expected / Path(name).stem)
        assert report["source"].pop("name") == f"s3://archive/2026/{name}"
        wanted["source"].pop("name")
        assert report == wanted
        for other in ("timeline.csv", "annotated.mp4"):
            assert (folder / other).read_bytes() == (expected / Path(name).stem / other).read_bytes()
    marker: dict[str, Any] = json.loads(
        bucket.cat_file(f"verdicts/run/{Path(before['clip000.mp4'][0]).parent}/done.json")
    )
    assert marker["source"]["version"], "the ETag"
    assert "hunter2" not in json.dumps(marker)

    bucket.put_file(str(files[0]), "archive/2026/clip001.mp4")
    assert "2 files (1 done before): " in nodes.run("s3://archive/2026", "--out", "s3://verdicts/run")
    after = fetched()
    assert after["clip000.mp4"][0] == before["clip000.mp4"][0]
    assert after["clip001.mp4"][0] != before["clip001.mp4"][0]
    assert not bucket.exists(f"verdicts/run/{before['clip001.mp4'][0]}"), "the replaced files are removed"
    bucket.clear_instance_cache()


def test_only_settings_of_the_analysis_travel_to_the_nodes() -> None:
    settings = Settings(mqtt={"host": "broker", "password": "hunter2"}, cache_dir="/cache", tracker={"max_age": 2})
    sent = shippable(settings)
    assert "hunter2" not in sent.model_dump_json() + repr(sent)
    assert sent.record() == settings.record()
    assert sent.cache_dir == Path("/cache")


def test_the_table_has_a_row_per_file() -> None:
    rows = [FileOutcome("a, b.mp4", label="LIKELY_REAL", probability=0.25), FileOutcome("c.mp4", error="no\nvideo")]
    read = list(csv.DictReader(to_csv(rows).splitlines(keepends=True)))
    assert [row["source"] for row in read] == ["a, b.mp4", "c.mp4"]
    assert read[1]["error"] == "no\nvideo"
    assert [json.loads(line)["label"] for line in to_jsonl(rows).splitlines()] == ["LIKELY_REAL", None]
