"""Chooses the host of each stream: spread over all hosts, moved only where that helps.

A running stream moves for two reasons: its host skips frames (is overloaded) and another one has room, or the hosts
differ so much that the fullest one becomes emptier by the move than the other one becomes full. Neither reason holds
again right after the move, so streams do not move back and forth.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostRoom:
    """The room of one host."""

    key: str
    capacity: int  # streams
    is_overloaded: bool = False  # it has skipped frames for some time


@dataclass(frozen=True, slots=True)
class StreamMove:
    """A stream that gets a host."""

    stream_id: str
    host: str


def place_waiting(
    waiting: Iterable[str], hosts: Sequence[HostRoom], *, counts: Mapping[str, int]
) -> Sequence[StreamMove]:
    """Hosts for streams that have none, as far as there is room; the first streams first.

    >>> place_waiting(["a", "b", "c"], [HostRoom("x", 2), HostRoom("y", 4)], counts={"y": 1})
    [StreamMove(stream_id='a', host='x'), StreamMove(stream_id='b', host='y'), StreamMove(stream_id='c', host='y')]

    Args:
        counts: number of streams of each host.
    """
    counts = dict(counts)
    moves = []
    for stream_id in waiting:
        host = _emptiest(hosts, counts)
        if host is None:
            break
        counts[host.key] = counts.get(host.key, 0) + 1
        moves.append(StreamMove(stream_id, host.key))
    return moves


def find_move(hosts: Sequence[HostRoom], *, streams: Mapping[str, Sequence[str]]) -> StreamMove | None:
    """The running stream that should move now, and where to; None if all may stay.

    Args:
        streams: the streams of each host that may move, in the order of their start; the newest moves.
    """
    counts = {key: len(ids) for key, ids in streams.items()}
    target = _emptiest(hosts, counts)
    if target is None:
        return None
    fullest = max(
        (host for host in hosts if host.key != target.key and counts.get(host.key)),
        key=lambda host: (host.is_overloaded, _usage(host, counts)),
        default=None,
    )
    if fullest is None:
        return None
    helps = _usage(target, counts, more=1) <= _usage(fullest, counts, more=-1)
    has_more_than_one = counts[fullest.key] > 1
    if helps or (fullest.is_overloaded and has_more_than_one):
        return StreamMove(streams[fullest.key][-1], target.key)
    return None


def _emptiest(hosts: Iterable[HostRoom], counts: Mapping[str, int]) -> HostRoom | None:
    """The host that is least full with one more stream; None if no host has room."""
    with_room = (host for host in hosts if not host.is_overloaded and counts.get(host.key, 0) < host.capacity)
    return min(with_room, key=lambda host: (_usage(host, counts, more=1), host.key), default=None)


def _usage(host: HostRoom, counts: Mapping[str, int], *, more: int = 0) -> float:
    return (counts.get(host.key, 0) + more) / max(host.capacity, 1)
