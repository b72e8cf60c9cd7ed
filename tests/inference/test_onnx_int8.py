from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.small_classifier import SMALL, build, crops

from monitor.analysis.pipeline import Engines, configured_committee
from monitor.errors import EngineError, ModelCardError
from monitor.inference.network import Network
from monitor.inference.onnx_graph import onnx_graph
from monitor.inference.onnx_int8 import (
    LOGIT_TOLERANCE,
    MAP_TOLERANCE,
    OnnxRuntimeInt8Backend,
    activation_names,
    quantise,
    require_close,
)
from monitor.inference.onnx_runtime import OnnxRuntimeBackend
from monitor.inference.parity import Parity
from monitor.lab.evaluation.activations import measure_ranges
from monitor.settings import Settings

pytestmark = pytest.mark.usefixtures("exported")
Spans = dict[str, tuple[float, float]]


@pytest.fixture(scope="module")
def spans(graph_folder: Path) -> Spans:
    return measure_ranges(SMALL, list(crops(16, seed=1)), cache_dir=graph_folder)


def with_spans(spans: Spans, times: float = 1.0) -> Network:
    return replace(SMALL, ranges=lambda: {name: (low * times, high * times) for name, (low, high) in spans.items()})


def int8_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*int8*.onnx"))


def test_the_engine_computes_in_int8_and_agrees_with_fp32(spans: Spans, graph_folder: Path, tmp_path: Path) -> None:
    engine = OnnxRuntimeInt8Backend().compile(with_spans(spans), threads=1, cache_dir=tmp_path)
    assert engine.name == "onnxruntime-int8"
    expected = OnnxRuntimeBackend().compile(SMALL, threads=1, cache_dir=graph_folder).run(crops(5, seed=2))
    found = engine.run(crops(5, seed=2))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == np.float32
        assert 0 < np.abs(ours - theirs).max() < 0.05
    (file,) = int8_files(tmp_path)
    graph = onnx.load(file).graph
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    integers = [array for array in weights.values() if array.dtype == np.int8 and array.ndim == 4]
    assert len(integers) == 4, "all but the first two convolutions and the evidence map"
    assert max(int(np.abs(array.astype(int)).max()) for array in integers) <= 64, "7 bits"


def test_the_int8_graph_is_built_once(spans: Spans, tmp_path: Path) -> None:
    def never() -> None:
        raise AssertionError("built again")

    OnnxRuntimeInt8Backend().compile(with_spans(spans), threads=1, cache_dir=tmp_path)
    warm = replace(with_spans(spans), build=never, reference_crops=never)  # type: ignore[arg-type]
    assert OnnxRuntimeInt8Backend().compile(warm, threads=1, cache_dir=tmp_path).run(crops(1))[0].shape == (1,)


def test_other_ranges_need_another_engine(spans: Spans, tmp_path: Path) -> None:
    for times in (1.0, 1.25):
        OnnxRuntimeInt8Backend().compile(with_spans(spans, times), threads=1, cache_dir=tmp_path)
    assert len(int8_files(tmp_path)) == 2


@pytest.mark.parametrize(
    ("what", "value"), [("onnx_graph._REVISION", "next"), ("onnx_int8.LOGIT_TOLERANCE", 0.1)], ids=["exporter", "gate"]
)
def test_another_exporter_or_tolerance_needs_another_engine(
    spans: Spans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, value: object
) -> None:
    OnnxRuntimeInt8Backend().compile(with_spans(spans), threads=1, cache_dir=tmp_path)
    monkeypatch.setattr(f"monitor.inference.{what}", value)
    OnnxRuntimeInt8Backend().compile(with_spans(spans), threads=1, cache_dir=tmp_path)
    assert len(int8_files(tmp_path)) == 2


def test_an_engine_that_disagrees_is_refused_and_not_cached(
    spans: Spans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "monitor.inference.onnx_int8.MAP_TOLERANCE", 0.05
    )  # the maps of the small network differ little
    with pytest.raises(EngineError, match=r"the int8 engine of small-32 is refused: on 8 faces .* choose another"):
        OnnxRuntimeInt8Backend().compile(with_spans(spans, 0.1), threads=1, cache_dir=tmp_path)
    assert int8_files(tmp_path) == []
    OnnxRuntimeInt8Backend().compile(with_spans(spans), threads=1, cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("logit", "evidence", "close"),
    [
        (LOGIT_TOLERANCE, MAP_TOLERANCE, True),
        (LOGIT_TOLERANCE * 1.01, 0.0, False),
        (0.0, MAP_TOLERANCE * 1.01, False),
        (float("inf"), 0.0, False),
        (float("nan"), 0.0, False),
    ],
)
def test_engines_beyond_a_tolerance_are_refused(logit: float, evidence: float, close: bool) -> None:
    found = Parity(logit=logit, evidence=evidence, crops=8)
    if close:
        require_close(found, network="net")
    else:
        with pytest.raises(EngineError, match="the int8 engine of net is refused"):
            require_close(found, network="net")


@pytest.mark.parametrize("lacking", ["ranges", "reference_crops"])
def test_without_ranges_or_faces_there_is_no_engine(spans: Spans, tmp_path: Path, lacking: str) -> None:
    network = replace(with_spans(spans), **{lacking: None})
    with pytest.raises(EngineError, match="small-32 has no int8 engine"):
        OnnxRuntimeInt8Backend().compile(network, threads=1, cache_dir=tmp_path)


def test_the_error_for_a_missing_table_names_the_command(tmp_path: Path) -> None:
    network = (
        configured_committee(Settings(cache_dir=tmp_path).model_copy(update={"classifier": _meso()}))
        .classifiers[0]
        .network
    )
    with pytest.raises(ModelCardError, match=r"meso4\.ranges\.json cannot be read .* `deepfake-monitor lab ranges`"):
        OnnxRuntimeInt8Backend().compile(network, threads=1, cache_dir=tmp_path)


def _meso() -> object:
    return Settings().classifier.model_copy(update={"model": "meso4"})


def test_the_error_for_a_missing_range_names_the_command(spans: Spans, graph_folder: Path) -> None:
    graph = onnx_graph(SMALL, cache_dir=graph_folder)
    assert isinstance(graph, Path)
    few = {name: span for name, span in spans.items() if "right" not in name}
    with pytest.raises(EngineError, match=r"small-32 cannot be quantised .* lab ranges"):
        quantise(graph.read_bytes(), few, network="small-32")


def test_activations_are_named_by_their_convolution_and_path(graph_folder: Path) -> None:
    graph = onnx_graph(SMALL, cache_dir=graph_folder)
    assert isinstance(graph, Path)
    names = list(activation_names(onnx.load(graph).graph).values())
    assert len(set(names)) == len(names)
    parameters = {name for name, _ in build().named_parameters()}
    for name in ("stem.0.0", "left.0", "up", "evidence"):
        assert f"{name}.weight" in parameters
        assert f"network.{name}.weight" in names
    assert "network.stem.1.0.weight/Relu/MaxPool" in names
    assert "network.left.0.weight/Relu/Concat" in names


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("engines")  # exports the graphs once
def test_the_shipped_weights_agree_and_the_face_detector_stays_exact(settings: Settings) -> None:
    changes = {"model": "inception_resnet_v1", "backend": "onnxruntime-int8"}
    settings = settings.model_copy(update={"classifier": settings.classifier.model_copy(update=changes)})
    engines = Engines.load(settings)
    assert engines.scorer.engine.name == "onnxruntime-int8"
    assert engines.choice.backend.name == "onnxruntime-int8"
    assert engines.faces._engines.onet.name == "onnxruntime-fp32"
    network = configured_committee(settings).classifiers[0].network
    assert network.reference_crops is not None
    faces = network.reference_crops()
    exact = OnnxRuntimeBackend().compile(network, threads=1, cache_dir=settings.cache_dir or Path())
    assert np.abs(engines.scorer.engine.run(faces)[0] - exact.run(faces)[0]).mean() < 0.05
