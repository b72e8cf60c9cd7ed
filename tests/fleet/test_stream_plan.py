"""Which host gets a stream, and which stream moves."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.fleet.stream_plan import HostRoom, find_move, place_waiting


def test_streams_are_spread_by_the_share_of_the_room_that_is_used() -> None:
    hosts = [HostRoom("small", 2), HostRoom("large", 6)]
    placed = place_waiting(map(str, range(8)), hosts, counts={})
    assert [move.host for move in placed].count("small") == 2
    assert [move.host for move in placed][:3] == ["large", "large", "large"]


def test_what_has_no_room_is_left_over() -> None:
    assert len(place_waiting("abc", [HostRoom("one", 2)], counts={})) == 2
    assert place_waiting("a", [HostRoom("one", 2)], counts={"one": 2}) == []
    assert place_waiting("a", [], counts={}) == []


def test_an_overloaded_host_gets_nothing_and_gives_one_away() -> None:
    hosts = [HostRoom("busy", 4, is_overloaded=True), HostRoom("calm", 4)]
    assert [move.host for move in place_waiting("a", hosts, counts={"busy": 1, "calm": 3})] == ["calm"]
    move = find_move(hosts, streams={"busy": ["a", "b"], "calm": ["c", "d", "e"]})
    assert move is not None
    assert (move.stream_id, move.host) == ("b", "calm")


def test_the_last_stream_of_an_overloaded_host_stays() -> None:
    hosts = [HostRoom("busy", 4, is_overloaded=True), HostRoom("calm", 4)]
    assert find_move(hosts, streams={"busy": ["a"], "calm": ["b"]}) is None


def test_nothing_moves_to_a_full_or_overloaded_host() -> None:
    assert find_move([HostRoom("one", 4), HostRoom("two", 1)], streams={"one": ["a", "b"], "two": ["c"]}) is None
    assert find_move([HostRoom("one", 9), HostRoom("two", 9, is_overloaded=True)], streams={"one": list("abc")}) is None


@given(
    capacities=st.lists(st.integers(1, 20), min_size=1, max_size=6),
    counts=st.lists(st.integers(0, 20), min_size=6, max_size=6),
)
def test_moves_end_and_never_go_back(capacities: list[int], counts: list[int]) -> None:
    hosts = [HostRoom(str(number), capacity) for number, capacity in enumerate(capacities)]
    streams = {
        host.key: [f"{host.key}-{number}" for number in range(min(count, host.capacity))]
        for host, count in zip(hosts, counts, strict=False)
    }
    seen = []
    while (move := find_move(hosts, streams=streams)) is not None:
        home = next(key for key, ids in streams.items() if move.stream_id in ids)
        streams[home].remove(move.stream_id)
        streams[move.host].append(move.stream_id)
        seen.append(sorted(map(len, streams.values())))
        assert len(seen) <= 200, "it ends"
        assert len(streams[move.host]) <= next(host.capacity for host in hosts if host.key == move.host)
