import pytest

from monitor.client.connection import ServerConnection
from monitor.client.retries import Retries
from monitor.errors import UsageError


def connection(address: str, key: str = "") -> ServerConnection:
    return ServerConnection(address, key=key, retries=Retries(), timeout=5.0, verify=True)


@pytest.mark.parametrize(
    ("address", "api"),
    [
        ("http://127.0.0.1:8501", "http://127.0.0.1:8501/api/v1"),
        (" https://monitor.example.org/faces/ ", "https://monitor.example.org/faces/api/v1"),
        ("http://[::1]:8501/api/v1/", "http://[::1]:8501/api/v1"),
    ],
)
def test_the_api_lies_below_the_address(address: str, api: str) -> None:
    assert connection(address).api == api


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1:8501", "ftp://host", "http://", "http://host:0x", "http://host:99999", "http://h?a=b"]
)
def test_another_address_is_one_sentence(address: str) -> None:
    with pytest.raises(UsageError, match="write it like"):
        assert connection(address).api


def test_the_key_is_sent_and_never_shown() -> None:
    one = connection("http://127.0.0.1", "dfm_1_hidden")
    assert one.arguments["headers"]["Authorization"] == "Bearer dfm_1_hidden"
    assert "hidden" not in repr(one)
    assert "Authorization" not in connection("http://127.0.0.1").arguments["headers"]
    for wrong in ("two words", "naïve", "line\nbreak"):
        with pytest.raises(UsageError, match="copy it again") as told:
            assert connection("http://127.0.0.1", wrong).arguments
        assert wrong not in str(told.value)
