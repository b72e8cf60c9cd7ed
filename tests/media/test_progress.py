from contextvars import copy_context

import pytest

from monitor.media import progress


def test_without_a_listener_nothing_happens() -> None:
    copy_context().run(progress.report)


def test_a_listener_is_called_with_every_report_and_may_end_the_work() -> None:
    calls: list[int] = []

    def listener() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise EOFError

    def work() -> None:
        progress.listen(listener)
        while True:
            progress.report()

    with pytest.raises(EOFError):
        copy_context().run(work)
    assert len(calls) == 3
    progress.report()
    assert len(calls) == 3, "another context"
