import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from monitor.lab.bench.capacity import Holding

SEVEN = Holding(
    streams=7,
    faces=1,
    fps=(7.2, 7.3),
    scores=(2.0, 2.2),
    latency_p50=0.03,
    latency_p95=0.075,
    level=5,
    analysis=0.5,
    decoding=0.9,
)


@pytest.fixture
def _measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instant stand-ins for the measurements, which tests/lab tests."""
    found = {"one_face": SEVEN, "four_faces": None, "nobody": replace(SEVEN, streams=20, faces=0)}
    monkeypatch.setattr("monitor.cli.capacity.find_capacity", lambda kind, *_, **__: found[kind.name])
    monkeypatch.setattr("monitor.cli.capacity.load_engines", lambda _: None)


@pytest.mark.usefixtures("_measured")
def test_json_says_how_many_streams_of_each_kind_and_the_limit(cli: Callable) -> None:
    said = cli("capacity", "--json")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    assert record["streams"] == {"one_face": 7, "four_faces": 0, "nobody": 20}
    assert record["limit"] == "decoding takes 0.9 of 1.4 busy cores"
    assert record["measured"]["four_faces"] is None
    assert record["measured"]["one_face"]["latency_p95"] == 0.075


@pytest.mark.usefixtures("_measured")
def test_the_table_has_a_row_per_kind(cli: Callable) -> None:
    said = cli("capacity")
    assert said.code == 0, said.err
    for text in (
        "one face",
        "7.2-7.3",
        "75 ms",
        "not one stream holds",
        "nobody",
        "20",
        "95 % of the frames within 1 s",
    ):
        assert text in said.out
