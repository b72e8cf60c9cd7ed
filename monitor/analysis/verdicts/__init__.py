r"""Turns the scores of each face into a verdict over time.

Every usable score of a track is a sample; a verdict is a function of the track's recent samples and
of its current label. All times are media time. ``correlation_time``, ``max_effective_samples``,
``min_effective_samples``, ``max_sample_logit`` and ``change_threshold`` describe the classifier's scores and are part
of its model card (``ScoreProcess``); all other parameters are settings.

**A sample** is its calibrated log-odds ``z_i``, clipped to ``-max .. +max``, with a weight
``w_i`` in 0..1 from the face's quality.

**Correlation.** Scores of one face correlate in time like ``exp(-dt / tau)`` (``correlation_time``).
For such a Gauss-Markov series the Fisher information about its level is ``1 + sum_i tanh(dt_i / 2 tau)``
samples. The best linear estimate of the level weights each sample by half of its two gaps; a missing
neighbour counts as infinitely far away:

    g_i = [tanh((t_i - t_(i-1)) / 2 tau) + tanh((t_(i+1) - t_i) / 2 tau)] / 2

A single sample counts as one effective sample; a hundred within a second count as ``1 + 1 / (2 tau)`` at most, and
twice the frame rate adds next to nothing.

**Decay.** ``v_i = w_i g_i exp(-(t - t_i) / decay_time)``, dropped below 5 %. The ``N = sum v_i`` samples have the
weighted mean ``zbar = sum v_i z_i / N``.

**Saturation.** All scores of one face share the classifier's bias for this person, camera and light;
averaging never removes it. With a shared part ``rho`` of the variance, N samples are worth
``N / (1 + (N - 1) rho)`` independent ones (Kish 1965); ``rho = 1 / max_effective_samples``:

    E = N / (1 + max(N - 1, 0) / max_effective_samples)
    log-odds(fake) = E zbar,   P(fake) = 1 / (1 + exp(-E zbar))

Under equal-variance Gaussian scores this is the exact log likelihood ratio. Sample i contributes
``E v_i z_i / N``: the contributions of all remaining samples add up to the log-odds.

**Committees.** ``z_i`` is the fused log-odds of all classifiers. The same samples and weights give each classifier's
own mean ``zbar_k`` and ``P_k(fake) = 1 / (1 + exp(-E zbar_k))``. If two means differ by the committee's
``max_difference`` or more, the label is NOT_ENOUGH_EVIDENCE (MODELS_DISAGREE).

**Change points.** The decay is slow, so that a steady clip gets a steady verdict; a switch must still be reported
within 1.5 s. After each sample, every split of the window into before (a) and after (b) is compared with
no split, by the generalised likelihood ratio of two Gaussian levels with a common unknown variance (Worsley
1979), regularised by ``nu = 3`` prior samples of standard deviation 0.8:

    gain_k = N_a N_b / (N_a + N_b) (zbar_b - zbar_a)^2
    LLR_k = (N + nu) / 2 log(1 + gain_k / (sum v_i (z_i - zbar)^2 - gain_k + nu 0.8^2))

If the largest ratio reaches ``change_threshold``, and both sides have ``min_effective_samples``, all samples before
the split are dropped and the trace records ``restarted_at``. (A CUSUM against the sign of the evidence, Page
1954, needs the level after the change. Tuned to the same delay on simulated scores around 0, it raised a
hundred times as many false suspicions in white noise, and over four times as many in correlated noise.)

**Labels.** ``P >= fake_at`` LIKELY_FAKE, ``P >= suspicious_at`` SUSPICIOUS, ``P <= real_at`` LIKELY_REAL, in between
NOT_ENOUGH_EVIDENCE (INCONCLUSIVE). The current label is left only ``hysteresis`` beyond its threshold, and a new
label is published only after it has been due for ``debounce`` seconds. A loss of evidence takes effect without
debounce: fewer than ``min_effective_samples`` effective samples give TOO_FEW_SAMPLES; no usable sample for ``timeout``
seconds gives NOT_SEEN; both with the causes of recent rejections. A face without a score never gets a made-up
sample.

**Estimated start.** ``LabelChange.began`` is the start of the run of newest samples with the largest sum
for the new label (Page's estimate of the change point), never before the previous change; after a loss of evidence,
the last usable sample.

**A still picture** has one sample: it is judged immediately, by the same thresholds, and every verdict
has the reason SINGLE_IMAGE.

**A whole track** has its worst SUSPICIOUS or LIKELY_FAKE verdict. LIKELY_REAL, with its mean P(fake), needs a
track that was never suspicious and was LIKELY_REAL for at least half of its visible time, without ``timeout``
seconds of start-up; otherwise the verdict is NOT_ENOUGH_EVIDENCE with the longest-lasting reasons. **A whole
source** has the verdict of its worst track; LIKELY_REAL also needs LIKELY_REAL tracks for half of the time with
visible faces.
"""

from monitor.analysis.verdicts.judge import Judge
from monitor.analysis.verdicts.summary import source_verdict

__all__ = ["Judge", "source_verdict"]
