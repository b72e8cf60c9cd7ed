"""The settings of content credentials."""

from pathlib import Path

import pytest

from monitor.errors import UsageError
from monitor.settings import CredentialSettings, Settings, load_settings


def test_nothing_is_signed_or_sent_by_default() -> None:
    settings = CredentialSettings()
    assert not settings.can_sign
    assert settings.time_stamp_url == ""


def test_certificates_and_key_belong_together() -> None:
    assert CredentialSettings(certificates=Path("a.pem"), private_key=Path("a.key")).can_sign
    with pytest.raises(UsageError, match="certificates and private_key must be given together"):
        load_settings(environment={}, overrides={"credentials.certificates": "a.pem"})


@pytest.mark.parametrize("url", ["ftp://a", "http://user:word@a/", "a"])
def test_a_time_stamp_address_without_a_secret_is_asked_for(url: str) -> None:
    with pytest.raises(UsageError, match=r"must be an http:// or https:// address without a user name") as caught:
        load_settings(environment={}, overrides={"credentials.time_stamp_url": url})
    assert "word" not in str(caught.value)


def test_an_unknown_algorithm_is_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"setting credentials\.algorithm: must be"):
        load_settings(environment={}, overrides={"credentials.algorithm": "md5"})


def test_a_report_does_not_name_the_key() -> None:
    settings = Settings(credentials=CredentialSettings(certificates=Path("a.pem"), private_key=Path("a.key")))
    assert "credentials" not in settings.record()
