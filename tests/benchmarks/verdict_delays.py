"""How fast the judge reports a switch, and how often it errs, on simulated scores.

    PYTHONPATH=tests python tests/benchmarks/verdict_delays.py

Five scores per second with noise of standard deviation 1, white or correlating like exp(-dt / tau).
"""

import numpy as np
from support.score_stream import noisy, play

SEEDS = 200
GENUINE_SECONDS, FAKE_SECONDS = 10.0, 6.0
SWITCHES = ((-2.0, 2.0, 0.0), (-2.0, 2.0, 0.3), (-1.5, 1.5, 0.0), (-1.0, 1.5, 0.0))
STEADY = ((-1.5, 0.0), (-1.5, 0.2), (-1.5, 0.3), (0.0, 0.0), (0.0, 0.3))
STEADY_SECONDS = 60.0


def delay(before: float, after: float, tau: float, *, seed: int) -> float:
    """Seconds from the switch to SUSPICIOUS or LIKELY_FAKE; infinite if it was never said."""
    said = noisy(lambda now: before if now < GENUINE_SECONDS else after, seed=seed, tau=tau)
    changes = play(said, seconds=GENUINE_SECONDS + FAKE_SECONDS).changes
    times = [c.media_time - GENUINE_SECONDS for c in changes if c.after.suspects and c.media_time >= GENUINE_SECONDS]
    return min(times, default=np.inf)


def alarms(level: float, tau: float, *, seed: int) -> int:
    """False suspicions in a minute."""
    timeline = play(noisy(lambda _: level, seed=seed, tau=tau), seconds=STEADY_SECONDS)
    return sum(change.after.suspects and not change.before.suspects for change in timeline.changes)


if __name__ == "__main__":
    for before, after, tau in SWITCHES:
        delays = np.array([delay(before, after, tau, seed=seed) for seed in range(SEEDS)])
        p50, p95 = np.quantile(delays, (0.5, 0.95), method="higher")
        within = np.mean(delays <= 1.5)
        print(f"{before:+} -> {after:+}, tau {tau}: within 1.5 s {within:.0%}, median {p50:.2f} s, p95 {p95:.2f} s")
    for level, tau in STEADY:
        found = sum(alarms(level, tau, seed=seed) for seed in range(SEEDS))
        hours = SEEDS * STEADY_SECONDS / 3600
        print(
            f"steady {level:+}, tau {tau}: {found} false suspicions in {hours:.1f} hours, {found / hours:.1f} per hour"
        )
