"""Exports networks to ONNX in a child process, so that this one never loads torch.

The child runs this module and nothing of the caller's main module: a script needs no ``__main__`` guard.
"""

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from typing import Self

from monitor.errors import EngineError
from monitor.inference.network import Network


class ExportProcess:
    """One child process, started with the first export. Not thread-safe."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            with suppress(OSError):
                self._child.communicate()  # an end of input ends it

    def export(self, network: Network) -> bytes:
        """The network's ONNX model.

        Raises:
            EngineError: torch cannot export it, or the process died.
        """
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        asked, answers = self._child.stdin, self._child.stdout
        assert asked is not None  # noqa: S101 - both are pipes
        assert answers is not None  # noqa: S101
        try:
            pickle.dump(network, asked)
            asked.flush()
            answer: bytes | EngineError = pickle.load(answers)  # noqa: S301 - from our own child
        except (OSError, EOFError, pickle.PickleError, AttributeError) as error:
            raise EngineError(
                f"{network.name} could not be exported to ONNX: the exporting process died, perhaps for want of "
                f"memory ({error or 'it said nothing'})"
            ) from error
        if isinstance(answer, EngineError):
            raise answer
        return answer


def serve() -> None:
    """Export each network that comes in on the standard input, until it ends. Libraries print to the standard error."""
    from monitor.inference.onnx_graph import export

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            network: Network = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
            try:
                answer: bytes | EngineError = export(network)
            except EngineError as error:
                answer = error
            pickle.dump(answer, answers)
            answers.flush()


if __name__ == "__main__":
    serve()
