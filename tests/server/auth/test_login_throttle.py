"""Exponential back-off after failed logins."""

from types import SimpleNamespace

import pytest

from monitor.errors import SignInError
from monitor.server.auth import login_throttle as module
from monitor.server.auth.login_throttle import LoginThrottle


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock.now)
    return clock


def wrong(guesses: LoginThrottle, name: str, client: str, *, times: int = 5) -> None:
    for _ in range(times):
        guesses.begin(name, client)


def test_the_first_failures_cost_no_time_then_the_wait_doubles(clock: SimpleNamespace) -> None:
    guesses = LoginThrottle()
    wrong(guesses, "ada", "10.0.0.1")
    for wait in (1, 2, 4, 8):
        with pytest.raises(SignInError, match=f"wait {wait} seconds, then try again"):
            guesses.begin("ada", "10.0.0.1")
        clock.now += wait
        guesses.begin("ada", "10.0.0.1")


def test_a_name_is_slowed_down_for_every_client_but_only_briefly(clock: SimpleNamespace) -> None:
    guesses = LoginThrottle()
    for number in range(40):
        guesses.begin(" ADA ", f"10.0.0.{number}")
        clock.now += 60
    guesses.begin("ada", "10.0.1.1")
    with pytest.raises(SignInError, match="wait 60 seconds"):
        guesses.begin("ada", "10.0.1.2")


def test_a_client_is_slowed_down_for_every_name(clock: SimpleNamespace) -> None:
    guesses = LoginThrottle()
    for number in range(15):
        guesses.begin(f"name{number}", "10.0.0.1")
        clock.now += 900
    guesses.begin("ada", "10.0.0.1")
    with pytest.raises(SignInError, match="wait 900 seconds"):
        guesses.begin("another", "10.0.0.1")
    guesses.begin("another", "10.0.0.2")


def test_ipv6_addresses_of_one_network_are_one_client(clock: SimpleNamespace) -> None:
    guesses = LoginThrottle()
    for number in range(5):
        guesses.begin(f"name{number}", f"2001:db8::{number}")
    with pytest.raises(SignInError):
        guesses.begin("ada", "2001:db8::ffff")
    guesses.begin("ada", "2001:db8:0:1::1")


def test_a_success_resets_the_name_but_not_the_client(clock: SimpleNamespace) -> None:
    guesses = LoginThrottle()
    wrong(guesses, "ada", "10.0.0.1", times=4)
    guesses.begin("ada", "10.0.0.1")
    guesses.succeed("ada", "10.0.0.1")
    guesses.begin("ada", "10.0.0.1")
    with pytest.raises(SignInError):
        guesses.begin("eve", "10.0.0.1")
    guesses.begin("ada", "10.0.0.9")


def test_failures_expire_after_an_hour(clock: SimpleNamespace) -> None:
    guesses = LoginThrottle()
    wrong(guesses, "ada", "10.0.0.1")
    clock.now += 3601
    wrong(guesses, "ada", "10.0.0.1")


def test_memory_is_bounded(clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_ENTRIES", 10)
    guesses = LoginThrottle()
    for number in range(100):
        guesses.begin(f"name{number}" * 1000, f"10.0.0.{number}")
    assert len(guesses._failures) == 10
    assert max(len(key) for _, key in guesses._failures) <= 80
