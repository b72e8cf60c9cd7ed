r"""Turns the scores of each face into a verdict over time.

Every usable score of a track is a sample; a verdict is a function of the track's recent samples and
of the label that it holds. Media time is the only clock. ``correlation_time``, ``max_effective_samples``,
``min_effective_samples``, ``max_sample_logit`` and ``change_threshold`` describe the classifier's scores and stand in
its model card (``ScoreProcess``); all else are settings.

**A sample** is its calibrated log-odds ``z_i``, clipped to ``-max .. +max``, with a weight
``w_i`` in 0..1 from the face's quality.

**How much is new in it.** Scores of one face correlate in time like ``exp(-dt / tau)`` (``correlation_time``).
For such a Gauss-Markov series the Fisher information about its level is ``1 + sum_i tanh(dt_i / 2 tau)``
samples, and the best linear estimate of the level gives each sample the half of its two gaps, a missing
neighbour counting as one infinitely far away:

    g_i = [tanh((t_i - t_(i-1)) / 2 tau) + tanh((t_(i+1) - t_i) / 2 tau)] / 2

One lonely sample is one witness; a hundred within a second are ``1 + 1 / (2 tau)`` at most, and twice
the frame rate adds next to nothing.

**Forgetting.** ``v_i = w_i g_i exp(-(t - t_i) / decay_time)``, let go below 5 %. ``N = sum v_i`` witnesses say
``zbar = sum v_i z_i / N``.

**Saturation.** All scores of one face share what the detector thinks of this person, camera and light;
that never averages out. With a shared part ``rho`` of the variance, N samples are worth
``N / (1 + (N - 1) rho)`` independent ones (Kish 1965); ``rho = 1 / max_effective_samples``:

    E = N / (1 + max(N - 1, 0) / max_effective_samples)
    log-odds(fake) = E zbar,   P(fake) = 1 / (1 + exp(-E zbar))

Under equal-variance Gaussian scores this is the exact log likelihood ratio. Sample i contributes
``E v_i z_i / N``: the contributions of all samples that count add up to the log-odds.

**Jumps.** Memory is long, so that a steady clip gets a steady verdict; a switch must still be reported
within 1.5 s. After each sample, every split of the window into before (a) and after (b) is compared with
no split, by the generalised likelihood ratio of two Gaussian levels with a common unknown variance (Worsley
1979), steadied by ``nu = 3`` prior samples of standard deviation 0.8:

    gain_k = N_a N_b / (N_a + N_b) (zbar_b - zbar_a)^2
    LLR_k = (N + nu) / 2 log(1 + gain_k / (sum v_i (z_i - zbar)^2 - gain_k + nu 0.8^2))

Where the largest reaches ``change_threshold``, and both sides have ``min_effective_samples``, all samples before
the split are dropped and the trace says ``restarted_at``. (A CUSUM against the sign of the evidence, Page
1954, must know the level after the change. Tuned to the same delay on simulated scores around 0 it raised a
hundred times as many false suspicions in white noise, and over four times as many in correlated noise.)

**Labels.** ``P >= fake_at`` LIKELY_FAKE, ``P >= suspicious_at`` SUSPICIOUS, ``P <= real_at`` LIKELY_REAL, in between
NOT_ENOUGH_EVIDENCE (INCONCLUSIVE). The label held is left only ``hysteresis`` beyond its threshold, and another
one is said only once it has been due for ``debounce`` seconds. Evidence, in contrast, is lost at once, without
debounce: fewer than ``min_effective_samples`` witnesses is TOO_FEW_SAMPLES; no usable sample for ``timeout``
seconds, NOT_SEEN; both with the causes of recent rejections. No sample is ever made up for a face that
could not be scored.

**When it truly began.** ``LabelChange.began`` is the start of the run of newest samples with the largest sum
for the new label (Page's estimate of the change point), never before the previous change; when evidence
was lost, the last usable sample.

**A still picture** has one sample: it is judged on it at once, by the same thresholds, and every verdict
carries SINGLE_IMAGE.

**A whole track** is its worst SUSPICIOUS or LIKELY_FAKE verdict. LIKELY_REAL, with its mean P(fake), needs a
track that was never suspected and was LIKELY_REAL for at least half of the time it was seen, ``timeout``
seconds of start-up aside; otherwise NOT_ENOUGH_EVIDENCE with the reasons that stood longest. **A whole
source** is its worst track; LIKELY_REAL also needs the tracks found real to make up half of the time that
faces were seen.
"""

from monitor.analysis.verdicts.judge import Judge
from monitor.analysis.verdicts.summary import source_verdict

__all__ = ["Judge", "source_verdict"]
