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


def test_messages_arrive_in_order(ends: tuple[IpcChannel, socket.socket]) -> None:
    here, there = ends[0], IpcChannel(ends[1])
    assert not there.has_message()
    here.send({"frame": [1, 2.5, None]}, b"\x00\xff" * 9)
    here.send({"path": "\udcff"})
    assert there.has_message()
    assert there.receive(1) == ({"frame": [1, 2.5, None]}, b"\x00\xff" * 9)
    assert there.receive(None) == ({"path": "\udcff"}, b"")


def test_a_message_larger_than_the_socket_buffer_arrives_complete(ends: tuple[IpcChannel, socket.socket]) -> None:
    here, there = ends[0], IpcChannel(ends[1])
    payload = bytes(range(256)) * 40_000
    thread = threading.Thread(target=here.send, args=({}, payload))
    thread.start()
    assert there.receive(10) == ({}, payload)
    thread.join()


def test_a_late_reader_can_be_given_more_time(
    ends: tuple[IpcChannel, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ends[0]
    monkeypatch.setattr(module, "_SEND_TIMEOUT", 0.0)
    with pytest.raises(TimeoutError):
        here.send({}, bytes(10_000_000))
    here, there = (IpcChannel(end) for end in socket.socketpair())
    thread = threading.Thread(target=there.receive, args=(10,))
    thread.start()
    here.send({}, bytes(10_000_000), timeout=10)
    thread.join()
    here.close()
    there.close()


def test_silence_and_incomplete_messages_time_out(ends: tuple[IpcChannel, socket.socket]) -> None:
    here, theirs = ends
    with pytest.raises(TimeoutError):
        here.receive(0.01)
    theirs.sendall(struct.pack("!II", 10, 0) + b"{")
    with pytest.raises(TimeoutError):
        here.receive(0.01)


def test_a_closed_channel_is_an_end_of_file(ends: tuple[IpcChannel, socket.socket]) -> None:
    here, theirs = ends
    theirs.sendall(struct.pack("!II", 10, 0) + b"{")
    theirs.close()
    with pytest.raises(EOFError):
        here.receive(1)
    with pytest.raises(OSError, match=r"[Pp]ipe"):
        here.send({})


@pytest.mark.parametrize(
    "messages", [struct.pack("!II", 2**31, 5), struct.pack("!II", 3, 0) + b"{{{", struct.pack("!II", 2, 0) + b"[]"]
)
def test_invalid_messages_are_errors(ends: tuple[IpcChannel, socket.socket], messages: bytes) -> None:
    here, theirs = ends
    theirs.sendall(messages)
    with pytest.raises(IpcError):
        here.receive(1)


def test_a_receiver_that_never_reads_times_out(
    ends: tuple[IpcChannel, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SEND_TIMEOUT", 0.05)
    with pytest.raises(TimeoutError):
        ends[0].send({}, bytes(1 << 22))
