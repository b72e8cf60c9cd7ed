import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from monitor.media.worker import ipc_channel as module
from monitor.media.worker.ipc_channel import IpcChannel, IpcError


@pytest.fixture
def ends() -> Iterator[tuple[IpcChannel, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield IpcChannel(ours), theirs


def test_what_is_sent_is_received_in_order(ends: tuple[IpcChannel, socket.socket]) -> None:
    here, there = ends[0], IpcChannel(ends[1])
    assert not there.waits()
    here.send({"frame": [1, 2.5, None]}, b"\x00\xff" * 9)
    here.send({"path": "\udcff"})
    assert there.waits()
    assert there.receive(1) == ({"frame": [1, 2.5, None]}, b"\x00\xff" * 9)
    assert there.receive(None) == ({"path": "\udcff"}, b"")


def test_a_message_larger_than_the_sockets_buffer_arrives_whole(ends: tuple[IpcChannel, socket.socket]) -> None:
    here, there = ends[0], IpcChannel(ends[1])
    payload = bytes(range(256)) * 40_000
    thread = threading.Thread(target=here.send, args=({}, payload))
    thread.start()
    assert there.receive(10) == ({}, payload)
    thread.join()


def test_whoever_reads_late_can_be_given_time(
    ends: tuple[IpcChannel, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ends[0]
    monkeypatch.setattr(module, "_PATIENCE", 0.0)
    with pytest.raises(TimeoutError):
        here.send({}, bytes(10_000_000))
    here, there = (IpcChannel(end) for end in socket.socketpair())
    thread = threading.Thread(target=there.receive, args=(10,))
    thread.start()
    here.send({}, bytes(10_000_000), timeout=10)
    thread.join()
    here.close()
    there.close()


def test_silence_and_half_a_message_are_timeouts(ends: tuple[IpcChannel, socket.socket]) -> None:
    here, theirs = ends
    with pytest.raises(TimeoutError):
        here.receive(0.01)
    theirs.sendall(struct.pack("!II", 10, 0) + b"{")
    with pytest.raises(TimeoutError):
        here.receive(0.01)


def test_the_other_sides_end_is_an_end(ends: tuple[IpcChannel, socket.socket]) -> None:
    here, theirs = ends
    theirs.sendall(struct.pack("!II", 10, 0) + b"{")
    theirs.close()
    with pytest.raises(EOFError):
        here.receive(1)
    with pytest.raises(OSError, match=r"[Pp]ipe"):
        here.send({})


@pytest.mark.parametrize(
    "said", [struct.pack("!II", 2**31, 5), struct.pack("!II", 3, 0) + b"{{{", struct.pack("!II", 2, 0) + b"[]"]
)
def test_nonsense_is_told_from_a_message(ends: tuple[IpcChannel, socket.socket], said: bytes) -> None:
    here, theirs = ends
    theirs.sendall(said)
    with pytest.raises(IpcError):
        here.receive(1)


def test_who_never_reads_holds_nobody_up_for_ever(
    ends: tuple[IpcChannel, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    with pytest.raises(TimeoutError):
        ends[0].send({}, bytes(1 << 22))
