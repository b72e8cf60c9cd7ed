from collections.abc import Iterator

import pytest
from support.live_page import Server, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The small page with the viewer and the webcam."""
    with serving() as running:
        yield running
