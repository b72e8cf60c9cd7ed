import os
from pathlib import Path

import numpy as np
import pytest
from support.small_classifier import SMALL, crops

from monitor.errors import EngineError
from monitor.inference import openvino_runtime
from monitor.inference.cache import KEEP, artefacts
from monitor.inference.network import Network
from monitor.inference.openvino_runtime import COMPILED, OpenVinoBackend
from monitor.inference.torch_runtime import TorchBackend

pytestmark = pytest.mark.usefixtures("exported")
needs_openvino = pytest.mark.skipif(OpenVinoBackend().unavailable() is not None, reason="openvino is not installed")


@needs_openvino
@pytest.mark.parametrize("shape", [(1, 3, 12, 12), (3, 3, 31, 47)])
def test_the_engine_agrees_with_torch_at_every_size(two_heads: Network, tmp_path: Path, shape: tuple[int, ...]) -> None:
    engine = OpenVinoBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
    reference = TorchBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
    batch = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert engine.name == "openvino-fp32"
    for ours, theirs in zip(engine.run(batch), reference.run(batch), strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@needs_openvino
def test_a_result_outlives_the_next_one(two_heads: Network, tmp_path: Path) -> None:
    engine = OpenVinoBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
    first = engine.run(np.ones((1, 3, 12, 12), np.float32))
    kept = [array.copy() for array in first]
    engine.run(np.zeros((1, 3, 12, 12), np.float32))
    for array, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(array, copy)


@needs_openvino
def test_a_wrong_batch_is_an_engine_error(two_heads: Network, tmp_path: Path) -> None:
    engine = OpenVinoBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
    with pytest.raises(EngineError, match="OpenVINO failed on two_heads"):
        engine.run(np.zeros((1, 4, 12, 12), np.float32))


@needs_openvino
def test_an_unwritable_cache_compiles_from_memory(two_heads: Network, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    engine = OpenVinoBackend().compile(two_heads, threads=1, cache_dir=tmp_path / "file")
    assert engine.run(np.zeros((1, 3, 12, 12), np.float32))[0].shape == (1,)


@needs_openvino
def test_a_missing_compile_folder_disables_only_the_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / COMPILED).write_text("a file where the folder should be")
    engine = OpenVinoBackend().compile(SMALL, threads=1, cache_dir=tmp_path)
    assert engine.run(crops(1))[0].shape == (1,)
    assert "OpenVINO compiles at every start" in caplog.text


@needs_openvino
def test_a_file_removed_by_another_process_is_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    OpenVinoBackend().compile(SMALL, threads=1, cache_dir=tmp_path)
    real = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.suffix == ".blob":
            raise FileNotFoundError(path)
        return real(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    assert OpenVinoBackend().compile(SMALL, threads=1, cache_dir=tmp_path).run(crops(1))[0].shape == (1,)


def test_the_error_for_a_missing_openvino_names_the_extra(
    two_heads: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_runtime, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"pip install deepfake-monitor\[openvino\]"):
        OpenVinoBackend().compile(two_heads, threads=1, cache_dir=tmp_path)


@needs_openvino
def test_the_engine_takes_uint8_crops(tmp_path: Path) -> None:
    engine = OpenVinoBackend().compile(SMALL, threads=1, cache_dir=tmp_path)
    reference = TorchBackend().compile(SMALL, threads=1, cache_dir=tmp_path)
    for ours, theirs in zip(engine.run(crops(3)), reference.run(crops(3)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def compiled_files(folder: Path) -> list[Path]:
    return sorted((folder / COMPILED).rglob("*.blob"))


@needs_openvino
def test_compiled_files_are_cached_and_loaded(tmp_path: Path) -> None:
    OpenVinoBackend().compile(SMALL, threads=1, cache_dir=tmp_path)
    (file,) = compiled_files(tmp_path)
    before = file.stat()
    engine = OpenVinoBackend().compile(SMALL, threads=1, cache_dir=tmp_path)
    assert compiled_files(tmp_path) == [file]
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino), "written once"
    assert file in artefacts(tmp_path)
    assert engine.run(crops(1))[0].shape == (1,)


@needs_openvino
def test_compiled_files_of_deleted_graphs_are_removed(two_heads: Network, tmp_path: Path) -> None:
    OpenVinoBackend().compile(SMALL, threads=1, cache_dir=tmp_path)
    (file,) = compiled_files(tmp_path)
    for number in range(KEEP + 1):
        (file.parent / f"{number}.blob").write_bytes(b"of an older version")
        os.utime(file.parent / f"{number}.blob", (number, number))
    OpenVinoBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
    left = [one for one in compiled_files(tmp_path) if one.parent == file.parent]
    assert len(left) == KEEP
    assert file in left, "the newest"
    (tmp_path / f"{file.parent.name}.onnx").unlink()
    OpenVinoBackend().compile(two_heads, threads=1, cache_dir=tmp_path)
    assert not file.parent.exists()
    assert len(compiled_files(tmp_path)) == 1
