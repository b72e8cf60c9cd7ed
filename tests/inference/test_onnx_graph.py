import dataclasses
from pathlib import Path

import onnx
import pytest
import torch
from support.small_classifier import SIZE, SMALL
from support.small_networks import small_classifier

from monitor.errors import EngineError
from monitor.inference.network import Network
from monitor.inference.onnx_graph import INPUT, export, onnx_graph


def test_the_graph_has_free_sizes_named_outputs_and_folded_norms(two_heads: Network, tmp_path: Path) -> None:
    path = onnx_graph(two_heads, cache_dir=tmp_path)
    assert isinstance(path, Path)
    graph = onnx.load(path).graph
    assert [value.name for value in graph.input] == [INPUT]
    assert [value.name for value in graph.output] == ["logit", "evidence_map"]
    sizes = [size.dim_value for size in graph.input[0].type.tensor_type.shape.dim]
    assert sizes == [0, 3, 0, 0]  # 0: free
    assert "BatchNormalization" not in {node.op_type for node in graph.node}
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".json", ".onnx"]  # weights are inside the graph


def test_norms_are_folded_before_the_slow_export(monkeypatch: pytest.MonkeyPatch) -> None:
    def traced(module: torch.nn.Module, *_: object, **__: object) -> None:
        assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in module.modules())

    monkeypatch.setattr(torch.onnx, "export", traced)
    with pytest.raises(EngineError, match="returned nothing"):
        export(small_classifier())


def test_preprocessing_is_part_of_the_graph(graph_folder: Path) -> None:
    path = onnx_graph(SMALL, cache_dir=graph_folder)
    assert isinstance(path, Path)
    (value,) = onnx.load(path).graph.input
    assert value.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [size.dim_value for size in value.type.tensor_type.shape.dim] == [0, SIZE, SIZE, 3]


def test_exporting_is_silent(two_heads: Network, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    onnx_graph(two_heads, cache_dir=tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("exported")
def test_a_warm_cache_does_not_build(two_heads: Network, tmp_path: Path) -> None:
    def build() -> torch.nn.Module:
        raise AssertionError("built again")

    path = onnx_graph(two_heads, cache_dir=tmp_path)
    assert onnx_graph(dataclasses.replace(two_heads, build=build), cache_dir=tmp_path) == path


def test_without_a_folder_the_model_is_returned_as_bytes(two_heads: Network, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    content = onnx_graph(two_heads, cache_dir=tmp_path / "file")
    assert isinstance(content, bytes)
    onnx.checker.check_model(onnx.load_from_string(content))


class Branches(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (x if x.mean().item() > 0 else -x,)


def test_a_network_that_cannot_be_exported_is_named(tmp_path: Path) -> None:
    network = Network("branches", "0" * 64, Branches, (None, 3, 8, 8), ("y",))
    with pytest.raises(EngineError, match="branches cannot be exported to ONNX"):
        onnx_graph(network, cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []
