"""The log of a host for the server."""

import logging

from monitor.fleet.host_log import HostLog


def test_the_newest_lines_are_kept_without_secrets() -> None:
    log = HostLog()
    logger = logging.getLogger("a host of a test")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(log)
    logger.debug("not this")
    for number in range(250):
        logger.warning("line %d of rtsp://ada:hush@camera/live", number)
    lines = log.take()
    assert len(lines) == 200
    assert lines[-1].level == logging.WARNING
    assert lines[-1].text == "line 249 of rtsp://ada:***@camera/live"
    assert log.take() == []
