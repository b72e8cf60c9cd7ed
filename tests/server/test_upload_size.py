import pytest

from monitor.errors import UsageError
from monitor.server.upload_size import check_size


def test_a_size_is_checked() -> None:
    check_size(2_000_000, max_megabytes=2)
    with pytest.raises(UsageError, match=r"larger than 2 MB.*dashboard\.max_upload_megabytes"):
        check_size(2_000_001, max_megabytes=2)
