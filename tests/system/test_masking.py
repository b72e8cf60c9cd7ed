import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.media.sources.address import Address
from monitor.system.masking import mask


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://admin:secret@10.0.0.7:554/ch1", "rtsp://admin:***@10.0.0.7:554/ch1"),
        ("rtsp://admin:@10.0.0.7/ch1", "rtsp://admin:***@10.0.0.7/ch1"),
        ("https://sometoken@host/a", "https://***@host/a"),
        ("rtsp://u:p@[fe80::1]:554/a", "rtsp://u:***@[fe80::1]:554/a"),
        ("rtsp://[fe80::1]:554/a@b", "rtsp://[fe80::1]:554/a@b"),
        ("https://host/@someone/live", "https://host/@someone/live"),
        ("https://host:8443/@someone/live", "https://host:8443/@someone/live"),
        ("rtsp://admin:pa@ss@host/a", "rtsp://admin:***@host/a"),
        ("rtsp://admin:pa/ss@host/a", "rtsp://admin:***@host/a"),
        ("rtsp://admin:p@/ss@host/a", "rtsp://admin:***@host/a"),
        ("rtsp://admin:pa?ss#@host/a", "rtsp://admin:***@host/a"),
        ("http://h/a?token=abc&x=1&API_KEY=def", "http://h/a?token=***&x=1&API_KEY=***"),
        ("http://h/a?user=me;password=abc", "http://h/a?user=me;password=***"),
        ("http://h/a?X-Amz-Signature=abc#access_token=d", "http://h/a?X-Amz-Signature=***#access_token=***"),
        ("/videos/me:you@home.mp4", "/videos/me:you@home.mp4"),
        ("rtsp://cam/user=admin_password=geheim_channel=1.sdp", "rtsp://cam/user=admin_password=***"),
        ("http://h/a?u=admin&p=geheim&x=1", "http://h/a?u=admin&p=***&x=1"),
        ("http://h/a?pw=geheim", "http://h/a?pw=***"),
        ("webcam:0", "webcam:0"),
    ],
)
def test_secrets_are_masked_and_other_text_is_kept(url: str, shown: str) -> None:
    assert mask(url) == shown
    assert Address.of(url).name == shown


@settings(deadline=None)
@given(password=st.text(min_size=1).filter(lambda text: not set(text) & set("rtsp:/ho.*@admin")))
def test_no_password_is_ever_shown(password: str) -> None:
    assert password not in mask(f"rtsp://admin:{password}@host/path")
