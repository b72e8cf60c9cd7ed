import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.small_classifier import SMALL

from monitor.faces.mtcnn.networks import mtcnn_networks
from monitor.inference.backends import all_backends
from monitor.inference.cache import default_cache_dir
from monitor.inference.network import Network
from monitor.inference.onnx_graph import onnx_graph
from monitor.inference.onnx_runtime import OnnxRuntimeEngine
from monitor.settings import Settings

ONLY = ("--engine", "onnxruntime", "--engine", "torch")


def committee_of(network: Network) -> SimpleNamespace:
    """As far as the command looks at it."""
    return SimpleNamespace(classifiers=(SimpleNamespace(network=network),))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A small classifier and a separate cache."""
    monkeypatch.setenv("DEEPFAKE_MONITOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("monitor.cli.engines.configured_committee", lambda settings: committee_of(SMALL))


@pytest.fixture(scope="module")
def graphs(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An engine cache with the graphs of the small classifier and the face detector; read-only."""
    folder, shared = tmp_path_factory.mktemp("graphs"), default_cache_dir(settings.cache_dir)
    onnx_graph(SMALL, cache_dir=folder)
    for network in mtcnn_networks():
        graph = onnx_graph(network, cache_dir=shared)
        assert isinstance(graph, Path)
        for file in (graph, graph.with_name(f"{graph.name}.json")):
            shutil.copy2(file, folder)
    return folder


@pytest.fixture
def exported(graphs: Path, tmp_path: Path) -> None:
    """The cache has those graphs, for tests of what follows an export."""
    shutil.copytree(graphs, tmp_path / "cache")


def test_the_list_shows_usable_engines_and_reasons(cli: Callable) -> None:
    said = cli("engines", "list", "--json")
    assert said.code == 0, said.err
    rows = json.loads(said.out)["engines"]
    assert [row["name"] for row in rows] == [backend.name for backend in all_backends()]
    assert all(set(row) == {"name", "available", "chosen", "why"} and row["why"] for row in rows)
    assert sum(row["chosen"] for row in rows) == 1
    for row in rows:
        assert not (row["chosen"] and not row["available"])
        if row["name"] == "onnxruntime-int8":
            assert (row["available"], row["chosen"]) == (True, False), "by name only"


def test_the_requested_engine_is_chosen(cli: Callable) -> None:
    said = cli("engines", "list", "--json", "--set", "classifier.backend=onnxruntime-int8")
    (chosen,) = [row for row in json.loads(said.out)["engines"] if row["chosen"]]
    assert (chosen["name"], chosen["why"]) == ("onnxruntime-int8", "it was asked for")
    assert "it was asked for" in cli("engines", "list", "--set", "classifier.backend=torch").out


def test_an_engine_that_cannot_be_used_is_listed_and_refused(cli: Callable) -> None:
    said = cli("engines", "list", "--json", "--set", "classifier.backend=abacus")
    assert said.code == 2
    assert "unknown backend 'abacus'" in said.err
    rows = json.loads(said.out)["engines"]
    assert not any(row["chosen"] for row in rows)


@pytest.mark.usefixtures("exported")
def test_auto_builds_the_engine_that_the_settings_choose(cli: Callable) -> None:
    said = cli("engines", "build", "--engine", "auto", "--set", "classifier.backend=onnxruntime")
    assert said.code == 0, said.err
    assert "onnxruntime: ready in" in said.out
    assert said.out.count("ready in") == 1


def test_built_engines_are_in_the_cache_until_it_is_cleaned(cli: Callable, tmp_path: Path) -> None:
    said = cli("engines", "build", *ONLY)
    assert said.code == 0, said.err
    assert "onnxruntime: ready in" in said.out
    keep = tmp_path / "cache" / "notes.txt"
    keep.write_text("mine")
    built = set((tmp_path / "cache").iterdir()) - {keep}
    assert sorted(file.name.rpartition("-")[0] for file in built if file.suffix == ".onnx") == [
        "mtcnn_onet",
        "mtcnn_pnet",
        "mtcnn_rnet",
        "small-32",
    ], "the face detector's, too"
    said = cli("engines", "clean")
    assert said.code == 0
    assert "8 files, " in said.out
    assert list((tmp_path / "cache").iterdir()) == [keep]
    assert "0 files" in cli("engines", "clean").out


@pytest.mark.usefixtures("exported")
def test_a_failed_build_is_reported_and_the_others_are_built(cli: Callable) -> None:
    said = cli("engines", "build", "--engine", "onnxruntime-int8", "--engine", "onnxruntime")
    assert said.code == 1
    assert "onnxruntime-int8: not built: small-32 has no int8 engine" in said.out
    assert "onnxruntime: ready in" in said.out


@pytest.mark.usefixtures("exported")
def test_engines_that_agree_pass(cli: Callable) -> None:
    said = cli("engines", "verify", *ONLY, "--json")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    assert record["network"] == "small-32"
    assert [(one["backend"], one["passed"]) for one in record["engines"]] == [("onnxruntime", True), ("torch", True)]
    table = cli("engines", "verify", *ONLY)
    assert "onnxruntime-fp32" in table.out
    assert "(allowed 0.001)" in table.out


@pytest.mark.usefixtures("exported")
def test_an_engine_that_differs_fails_with_a_sentence(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    right = OnnxRuntimeEngine.run
    monkeypatch.setattr(OnnxRuntimeEngine, "run", lambda self, batch: tuple(-one for one in right(self, batch)))
    said = cli("engines", "verify", *ONLY)
    assert said.code == 1
    assert "onnxruntime-fp32 does not say what fp32 torch says: use another engine" in said.err
    assert "torch" not in said.err.replace("fp32 torch", "")


def test_the_differences_of_a_failed_engine_are_null_in_json(cli: Callable) -> None:
    said = cli("engines", "verify", "--engine", "onnxruntime-int8", "--json")
    assert said.code == 1
    (one,) = json.loads(said.out)["engines"]
    assert (one["passed"], one["logit_difference"]) == (False, None)


def test_the_bench_has_a_row_for_each_engine_and_draws_a_plot(cli: Callable, tmp_path: Path) -> None:
    said = cli("engines", "bench", *ONLY, "--batch", "1", "--batch", "2", "--rounds", "1", "--json", "--plot", "e.png")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    assert [one["engine"] for one in record["engines"]] == ["onnxruntime-fp32", "torch-fp32"]
    assert set(record["engines"][0]["batches"]) == {"1", "2"}
    assert record["sgemm_gflops"] > 0.1
    assert (tmp_path / "e.png").read_bytes().startswith(b"\x89PNG")
    table = cli("engines", "bench", *ONLY, "--batch", "1", "--rounds", "1")
    assert "faces/s" in table.out
    assert "torch-fp32" in table.out


def test_the_bench_skips_engines_that_cannot_be_built(cli: Callable) -> None:
    said = cli("engines", "bench", *ONLY, "--engine", "onnxruntime-int8", "--batch", "1", "--rounds", "1", "--json")
    assert said.code == 0
    assert "skipped: onnxruntime-int8" in said.err
    assert len(json.loads(said.out)["engines"]) == 2


def test_a_plot_without_matplotlib_is_one_sentence_at_once(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = cli("engines", "bench", "--plot", "e.png")
    assert said.code == 2
    assert "a plot needs matplotlib: pip install 'deepfake-monitor[lab]'" in said.err


def test_a_plot_of_an_unknown_kind_is_refused(cli: Callable) -> None:
    said = cli("engines", "bench", "--engine", "torch", "--batch", "1", "--rounds", "1", "--plot", "e.abacus")
    assert said.code == 2
    assert "e.abacus cannot be drawn" in said.err


def test_a_classifier_without_faces_to_try_it_on(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    blind = committee_of(replace(SMALL, reference_crops=None))
    monkeypatch.setattr("monitor.cli.engines.configured_committee", lambda settings: blind)
    said = cli("engines", "verify")
    assert said.code == 1
    assert "there are no faces to try small-32 on" in said.err


@pytest.mark.usefixtures("exported")
def test_a_file_that_cannot_be_deleted_is_reported(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("engines", "build", "--engine", "onnxruntime")

    def refused(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refused)
    said = cli("engines", "clean")
    assert said.code == 1
    assert "Permission denied" in said.err
    assert "0 files, 0 MB removed" in said.out
