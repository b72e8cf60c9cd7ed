"""The list of flags; tests/dashboard/pages/test_pages.py clicks on its rows in a browser."""

from typing import Any

import pytest
import streamlit as st
from support.flagging import flag

from monitor.dashboard.pages.flag_list import ListSelection, read_selection
from monitor.types import Flag


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    state: dict[str, Any] = {}
    monkeypatch.setattr(st, "session_state", state)
    return state


def select(session: dict[str, Any], flags: list[Flag], *, rows: list[int], cells: list[int]) -> ListSelection:
    table = f"review-table-{session.get('review-tables', 0)}"
    session[table] = {"selection": {"rows": rows, "cells": [(row, "source") for row in cells]}}
    return read_selection(flags)


def test_the_newest_click_or_tick_is_found(session: dict[str, Any]) -> None:
    flags = [flag(number) for number in range(4)]
    assert read_selection(flags) == ListSelection((), None)
    assert select(session, flags, rows=[], cells=[2]) == ListSelection((), flags[2])
    assert select(session, flags, rows=[], cells=[2]).newest is None, "the same click"
    assert select(session, flags, rows=[3], cells=[2]) == ListSelection((flags[3],), flags[3])
    assert select(session, flags, rows=[1, 3], cells=[2]) == ListSelection((flags[1], flags[3]), flags[1])
    assert select(session, flags, rows=[1], cells=[2]).newest is None, "a tick less"


def test_a_changed_list_has_no_selection(session: dict[str, Any]) -> None:
    flags = [flag(number) for number in range(4)]
    select(session, flags, rows=[0, 1], cells=[])
    assert select(session, flags, rows=[0, 1], cells=[3]).ticked == (flags[0], flags[1])
    assert read_selection(flags[1:]) == ListSelection((), None), "the same rows would be other flags"
