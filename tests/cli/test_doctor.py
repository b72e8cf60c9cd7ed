import json
from collections.abc import Callable


def test_the_default_output_is_a_table(cli: Callable) -> None:
    said = cli("doctor")
    assert said.code == 0
    assert "self-test" in said.out
    assert "known-blended face" in said.out


def test_json_and_the_exit_code_report_the_findings(cli: Callable) -> None:
    said = cli("doctor", "--json", "--backend", "abacus")
    assert said.code == 1
    health = {finding["question"]: finding["health"] for finding in json.loads(said.out)}
    assert health["engine"] == "failure"
    assert health["results"] == "ok"
