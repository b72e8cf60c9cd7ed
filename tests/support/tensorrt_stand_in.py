"""A package that is called torch_tensorrt and compiles by handing back the module: only what we call, and no more.

Its functions take exactly the arguments that they are to be given; any other is a TypeError, as ``enabled_precisions``
is with the real 2.11. What it was asked is written into ``calls.jsonl`` beside the package. It can misbehave: the file
``behaviour`` there says how.
"""

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from monitor.inference.tensorrt import Target, TensorRtBackend

TARGET = Target(gpu="Stand-in 9000", capability="9.0", driver="580.65.06", device="cpu", dtype="float32")
_PACKAGE = """
import json, os, sys, time
from contextlib import contextmanager
from pathlib import Path

print("the library prints")
_FOLDER = Path(__file__).parent.parent
_LOG, _BEHAVIOUR = _FOLDER / "calls.jsonl", _FOLDER / "behaviour"

def _behaviour():
    return _BEHAVIOUR.read_text() if _BEHAVIOUR.exists() else "right"

if _behaviour() == "no import":
    raise Exception("import error when try to import _TensorRTProxyModule")

import torch

def _said(**facts):
    with _LOG.open("a") as file:
        file.write(json.dumps(facts) + "\\n")

class Input:
    def __init__(self, *, min_shape, opt_shape, max_shape, dtype):
        self.facts = {"min": min_shape, "opt": opt_shape, "max": max_shape, "dtype": str(dtype)}
        self.dtype = dtype

class _Wrong(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module
    def forward(self, x):
        logit, evidence = self.module(x)
        return logit + 0.2, evidence

class dynamo:
    @staticmethod
    def compile(program, *, arg_inputs, require_full_compilation, min_block_size):
        dtypes = sorted({str(value.dtype) for value in program.state_dict.values() if value.is_floating_point()})
        batch, = {str(value) for value in program.range_constraints.values()}
        _said(call="compile", inputs=[given.facts for given in arg_inputs], weights=dtypes, batch=batch,
              pid=os.getpid(), nice=os.nice(0), require_full_compilation=require_full_compilation,
              min_block_size=min_block_size)
        os.write(1, b"a library below Python prints\\n")
        how = _behaviour()
        if how == "slow":
            time.sleep(60)
        if how == "dies":
            os.kill(os.getpid(), 9)
        if how == "refuses":
            raise AssertionError("require_full_compilation=True was specified, but model is not fully supported\\nmore")
        module = program.module()
        return _Wrong(module) if how == "wrong" else module

def save(module, file_path, *, output_format, arg_inputs, dynamic_shapes):
    _said(call="save", output_format=output_format)
    program = torch.export.export(module, tuple(arg_inputs), dynamic_shapes=dynamic_shapes)
    torch.export.save(program, file_path)

def load(file_path):
    _said(call="load")
    return torch.export.load(file_path)

class runtime:
    @staticmethod
    @contextmanager
    def enable_cudagraphs(module):
        _said(call="enable_cudagraphs")
        yield module
"""


class StandIn:
    """The installed package: records its calls and has a selectable behaviour."""

    def __init__(self, folder: Path) -> None:
        self._log, self._behaviour = folder / "calls.jsonl", folder / "behaviour"

    def behave(self, how: str) -> None:
        """One of: right, wrong, slow, dies, refuses, no import."""
        self._behaviour.write_text(how)

    def calls(self, name: str) -> list[dict[str, Any]]:
        """The recorded calls, in order."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [facts for facts in map(json.loads, lines) if facts["call"] == name]


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, *, torch_tensorrt: str = "2.13.0") -> StandIn:
    """Put the package on the path of this process and of child processes until the test ends."""
    for name, version, text in (("torch_tensorrt", torch_tensorrt, _PACKAGE), ("tensorrt", "11.0.0", "")):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(text)
        facts = folder / f"{name}-{version}.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (facts / "top_level.txt").write_text(f"{name}\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "torch_tensorrt", raising=False)
    monkeypatch.setattr("monitor.inference.tensorrt.cuda_missing", lambda: None)
    monkeypatch.setattr("monitor.inference.tensorrt.packages_distributions", lambda: _distributions(folder))
    return StandIn(folder)


def _distributions(folder: Path) -> dict[str, list[str]]:
    """``packages_distributions()`` of one folder; reading all that is installed takes a third of a second."""
    found: dict[str, list[str]] = {}
    for distribution in metadata.distributions(path=[str(folder)]):
        for name in (distribution.read_text("top_level.txt") or "").split():
            found.setdefault(name, []).append(distribution.metadata["Name"])
    return found


def backend() -> TensorRtBackend:
    return TensorRtBackend(TARGET)
