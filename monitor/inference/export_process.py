"""Exports networks to ONNX in a child process, so that the parent process never imports torch.

The child runs only this module, not the caller's main module, so a script needs no ``__main__`` guard.
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
                self._child.communicate()  # the child exits at the end of its standard input

    def export(self, network: Network) -> bytes:
        """Export the network to ONNX.

        Raises:
            EngineError: torch cannot export the network, or the child process died.
        """
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        requests, replies = self._child.stdin, self._child.stdout
        assert requests is not None  # noqa: S101 - both are pipes
        assert replies is not None  # noqa: S101
        try:
            pickle.dump(network, requests)
            requests.flush()
            reply: bytes | EngineError = pickle.load(replies)  # noqa: S301 - from this program's own child
        except (OSError, EOFError, pickle.PickleError, AttributeError) as error:
            raise EngineError(
                f"{network.name} could not be exported to ONNX: the exporting process died, perhaps for lack of "
                f"memory ({error or 'no message'})"
            ) from error
        if isinstance(reply, EngineError):
            raise reply
        return reply


def serve() -> None:
    """Export each network from the standard input until its end; the output of libraries goes to the standard error."""
    from monitor.inference.onnx_graph import export

    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            network: Network = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the parent process
            try:
                reply: bytes | EngineError = export(network)
            except EngineError as error:
                reply = error
            pickle.dump(reply, replies)
            replies.flush()


if __name__ == "__main__":
    serve()
