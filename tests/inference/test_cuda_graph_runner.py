"""Runners on a stand-in for ``torch.cuda``, see cuda_stand_in; on a real GPU: test_cuda.py."""

from typing import Any

import numpy as np
import pytest
import torch
from support import cuda_stand_in
from support.small_networks import SIDE, small_classifier

from monitor.inference.cuda_graph_runner import CudaGraphRunner, CudaStreams, FreeShapeRunner, make_compute, normalise
from monitor.inference.network import Preprocessing


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda_stand_in.install(monkeypatch)


def crops(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 255, (count, SIDE, SIDE, 3), np.uint8)


def runner(bucket: int, *, record: bool) -> CudaGraphRunner:
    network = small_classifier()
    compute = make_compute(network, network.build(), dtype=torch.float32, layout=torch.channels_last)
    return CudaGraphRunner(compute, (bucket, SIDE, SIDE, 3), pixels=True, streams=CudaStreams(), record=record)


def expected(batch: Any) -> list[Any]:
    with torch.inference_mode():
        return [output.numpy() for output in small_classifier().build_from_pixels()(torch.from_numpy(batch))]


@pytest.mark.parametrize("record", [True, False], ids=["recorded", "called"])
def test_a_runner_agrees_with_the_network_for_full_and_padded_batches(record: bool) -> None:
    running = runner(4, record=record)
    for seed, count in enumerate((4, 1, 3, 4, 2)):
        batch = crops(count, seed)
        for ours, theirs in zip(running.start(batch)(), expected(batch), strict=True):
            assert ours.dtype == np.float32
            np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert cuda_stand_in.Graph.replays == (5 if record else 0)


def test_two_batches_may_be_pending_and_results_are_copies() -> None:
    running = runner(2, record=True)
    batches = [crops(2, seed) for seed in range(5)]
    first, second = running.start(batches[0]), running.start(batches[1])
    answers = [first(), second()]
    answers += [running.start(batch)() for batch in batches[2:]]
    for ours, batch in zip(answers, batches, strict=True):
        np.testing.assert_allclose(ours[0], expected(batch)[0], atol=1e-5)


def test_padding_is_zeros_instead_of_the_last_batch() -> None:
    seen: list[Any] = []

    def compute(rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        seen.append(rows.clone())
        return (rows.float().sum((1, 2, 3)),)

    running = CudaGraphRunner(compute, (4, 2, 2, 3), pixels=True, streams=CudaStreams(), record=False)
    ones = np.ones((4, 2, 2, 3), np.uint8)
    for _ in range(2):  # both of the slots
        running.start(ones)()
    for rows in (ones[:1], torch.from_numpy(ones[:1])):
        running.start(rows)()
        assert seen[-1].sum((1, 2, 3)).tolist() == [12, 0, 0, 0]


def test_rows_on_the_gpu_are_used_without_an_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy stream waits for the stream that made the rows, and the rows are kept until they are copied."""
    order: list[str] = []
    monkeypatch.setattr(cuda_stand_in.Stream, "wait_stream", lambda self, other: order.append("waits"))
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: order.append("keeps"))
    running = runner(4, record=True)
    order.clear()
    for seed, count in enumerate((4, 1, 3)):
        batch = crops(count, seed)
        found, same = running.start(torch.from_numpy(batch))(), running.start(batch)()
        for ours, theirs in zip(found, same, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert order == ["waits", "keeps"] * 3


def test_the_stand_in_replays_the_recorded_tensors() -> None:
    """Checks the stand-in: a graph returns the tensors of its recording."""
    graph, given = cuda_stand_in.Graph(), torch.ones(2)
    with torch.inference_mode(), cuda_stand_in.recording(graph):
        doubled = given * 2
    given.fill_(5)
    assert doubled.tolist() == [2, 2]
    with torch.inference_mode():
        graph.replay()
    assert doubled.tolist() == [10, 10]


def test_planes_of_any_size_run_unchanged() -> None:
    running = FreeShapeRunner(lambda planes: (planes.mean((1, 2, 3)),))
    for shape in ((1, 3, 12, 20), (2, 3, 30, 16)):
        (found,) = running.start(np.full(shape, 7, np.float32))()
        assert found.tolist() == [7.0] * shape[0]


def test_crops_are_normalised_in_fp32_and_rounded_once() -> None:
    rows = torch.from_numpy(crops(2))
    found = normalise(rows, Preprocessing(127.5, 128.0), dtype=torch.bfloat16, layout=torch.channels_last)
    exact = (rows.permute(0, 3, 1, 2).double() - 127.5) / 128
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(found, exact.to(torch.bfloat16))
    planes = torch.randn(2, 3, 8, 8)
    kept = normalise(planes, None, dtype=torch.float32, layout=torch.contiguous_format)
    assert torch.equal(kept, planes)
