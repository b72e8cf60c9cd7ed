import pytest
from rich.table import Table

from monitor.cli.terminal import console, print_table


@pytest.mark.parametrize("terminal", [True, False])
def test_a_table_is_fitted_to_a_terminal_and_never_cut_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(console, "_force_terminal", terminal)
    table = Table("a" * 60, "b", box=None)
    table.add_row("c" * 300, "d")
    print_table(table)
    lines = capsys.readouterr().out.splitlines()
    assert any("c" * 300 in line for line in lines) is not terminal
    assert (max(map(len, lines)) < 80) is terminal
