"""The GPU resamples like the CPU, bit by bit: tested on a stand-in, and on a GPU if there is one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import cuda_stand_in
from support.footage import mtcnn, portrait, posed

from monitor.errors import EngineError
from monitor.faces.mtcnn.cascade import MtcnnDetector, MtcnnEngines
from monitor.faces.mtcnn.networks import mtcnn_networks
from monitor.inference import cuda, cuda_graph_runner, cuda_summed_area
from monitor.inference.cuda import CudaBackend, cuda_missing
from monitor.inference.cuda_summed_area import CudaSummedArea
from monitor.inference.summed_area import SummedArea
from monitor.settings import FaceDetectorSettings, Settings

PLACES = [
    "stand-in",
    pytest.param(
        "gpu",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(cuda_missing() is not None, reason=f"needs a CUDA GPU: {cuda_missing()}"),
        ],
    ),
]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a GPU, or a GPU."""
    if request.param == "stand-in":
        cuda_stand_in.install(monkeypatch)
        monkeypatch.setattr(cuda, "cuda_missing", lambda: None)


def random_pixels(*shape: int) -> Any:
    return np.random.default_rng(3).integers(0, 256, (*shape, 3), np.uint8)


@pytest.mark.usefixtures("place")
def test_gpu_and_cpu_give_equal_pixels() -> None:
    pixels = random_pixels(130, 170)
    here, there = SummedArea(pixels), CudaSummedArea(pixels)
    for height, width in ((17, 31), (90, 130), (131, 171), (300, 200)):
        level = there.resize(height=height, width=width)
        assert isinstance(level, torch.Tensor)
        assert level.dtype == torch.float32
        np.testing.assert_array_equal(level.cpu().numpy(), here.resize(height=height, width=width))
    squares = np.array([(11, 21, 60, 70), (-20, -5, 40.9, 55.9), (160, 100, 190, 130), (1, 1, 9, 9)], np.float32)
    np.testing.assert_array_equal(there.select_overlapping(squares), here.select_overlapping(squares))
    for side in (24, 48):
        np.testing.assert_array_equal(there.cut(squares, side=side).cpu().numpy(), here.cut(squares, side=side))


@pytest.mark.usefixtures("place")
def test_overflowing_sums_give_equal_pixels() -> None:
    pixels = np.full((9000, 1200, 3), 250, np.uint8)  # sums to 2.7e9
    assert (CudaSummedArea(pixels).resize(height=90, width=12) == 250).all()


@pytest.mark.usefixtures("place")
def test_a_read_only_frame_is_uploaded_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    pixels = random_pixels(40, 50)
    pixels.setflags(write=False)
    CudaSummedArea(pixels[:, ::-1]).resize(height=20, width=20)
    assert not recwarn.list


def raising(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torch.Tensor, "pin_memory", fails)


@pytest.mark.parametrize("begun", [False, True])
def test_the_cpu_resamples_if_the_gpu_has_no_memory(monkeypatch: pytest.MonkeyPatch, begun: bool) -> None:
    cuda_stand_in.install(monkeypatch)
    pixels = random_pixels(40, 50)
    here, there = SummedArea(pixels), CudaSummedArea(pixels)
    if begun:
        assert isinstance(there.resize(height=20, width=20), torch.Tensor)
    raising(monkeypatch, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"))
    squares = np.array([(11, 21, 40, 40)], np.float32)
    for found, expected in (
        (there.resize(height=20, width=20), here.resize(height=20, width=20)),
        (there.cut(squares, side=24), here.cut(squares, side=24)),
    ):
        assert isinstance(found, np.ndarray)
        np.testing.assert_array_equal(found, expected)


def test_a_failing_gpu_is_an_engine_error(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda_stand_in.install(monkeypatch)
    raising(monkeypatch, RuntimeError("CUDA error: an illegal memory access was encountered\nmore"))
    with pytest.raises(EngineError, match=r"^the GPU failed to resample a frame: CUDA error: an illegal .*ed$"):
        CudaSummedArea(random_pixels(40, 50)).resize(height=20, width=20)


@pytest.mark.usefixtures("place")
def test_the_cascade_finds_the_same_faces_with_one_upload(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.cache_dir is not None
    backend = CudaBackend(exact=True)
    engines = MtcnnEngines(*(backend.compile(net, threads=1, cache_dir=tmp_path) for net in mtcnn_networks()))
    looked_for = FaceDetectorSettings(min_face_size=40)
    theirs = MtcnnDetector(engines, looked_for, resampler=CudaSummedArea)
    ours = MtcnnDetector(mtcnn(settings.cache_dir), looked_for)
    staged: list[Any] = []
    frames: list[Any] = []
    upload = cuda_summed_area._upload
    monkeypatch.setattr(
        cuda_summed_area,
        "_upload",
        lambda values: (frames.append(values) if values.dtype == np.uint8 else None, upload(values))[1],
    )
    start = cuda_graph_runner.CudaGraphRunner.start
    monkeypatch.setattr(
        cuda_graph_runner.CudaGraphRunner, "start", lambda runner, rows: (staged.append(rows), start(runner, rows))[1]
    )
    total = 0
    for pixels in (portrait(), posed((160, 200, 45), (450, 260, 210)), random_pixels(240, 320)):
        found, expected = theirs.detect(pixels), ours.detect(pixels)
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.1)
        np.testing.assert_allclose(found.landmarks, expected.landmarks, atol=0.1)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-3)
        total += len(found)
    assert [frame.shape for frame in frames] == [(512, 512, 3), (480, 640, 3), (240, 320, 3)], "each once"
    assert total >= 3
    assert staged
    assert all(isinstance(rows, torch.Tensor) for rows in staged)  # the rows of R-Net and O-Net, made on the GPU
