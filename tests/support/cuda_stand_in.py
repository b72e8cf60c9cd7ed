"""What ``torch.cuda`` gives to runners, on a CPU: streams that run at once, and graphs that replay what was recorded.

A graph keeps every operation with the very tensors that it had, as a CUDA graph keeps addresses: whoever forgets to
copy the next batch into the recorded input gets the old answer here, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from monitor.inference import cuda_graph_runner


class Stream:
    def wait_stream(self, other: Any) -> None: ...

    def wait_event(self, event: Any) -> None: ...

    def synchronize(self) -> None: ...


class Event:
    def record(self, stream: Stream) -> None: ...

    def synchronize(self) -> None: ...


class Graph(TorchDispatchMode):
    replays = 0  # of all graphs

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, found))
        return found

    def replay(self) -> None:
        Graph.replays += 1
        for func, args, kwargs, before in self.calls:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(before), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


@contextmanager
def recording(graph: Graph, **_: Any) -> Iterator[None]:
    with graph:
        yield


@contextmanager
def on(stream: Stream) -> Iterator[None]:
    yield


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace ``torch.cuda`` by the stand-in until the test ends."""
    Graph.replays = 0
    monkeypatch.setattr(cuda_graph_runner, "DEVICE", "cpu")
    stand_ins = {"Stream": Stream, "Event": Event, "CUDAGraph": Graph, "graph": recording, "stream": on}
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 0))
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: None)
