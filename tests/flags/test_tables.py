from dataclasses import fields

from support.flagging import flag

from monitor.flags import tables
from monitor.flags.history import HistoryEvent


def test_a_flag_fills_the_columns_for_queries() -> None:
    assert set(tables.flags.c.keys()) - {"content"} <= set(flag().record())


def test_an_event_of_the_log_fills_its_columns() -> None:
    assert tables.events.c.keys() == [field.name for field in fields(HistoryEvent)]
