"""A wall clock that a test sets, in the modules that read it; the machine's own clock stays."""

from datetime import datetime, timedelta
from types import ModuleType
from typing import Any, ClassVar

import pytest


class Clock(datetime):
    """The wall clock, ``ahead`` seconds ahead of the machine's."""

    ahead: ClassVar[float] = 0.0

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(seconds=cls.ahead)


def use_clock(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> type[Clock]:
    """Puts the clock into modules that import ``datetime`` by name."""
    monkeypatch.setattr(Clock, "ahead", 0.0)
    for module in modules:
        monkeypatch.setattr(module, "datetime", Clock)
    return Clock
