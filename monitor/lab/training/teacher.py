"""A trained classifier whose answers another one learns."""

from pathlib import Path

import torch

from monitor.classifiers import architecture
from monitor.errors import ExperimentError
from monitor.lab.training.experiment import Experiment


class Teacher:
    """Answers on the learner's own degraded pictures (Hinton et al., 2015).

    Args:
        experiment: names the teacher (``distillation``), and the learner's normalisation and picture sizes.
        device: of the pictures.

    Raises:
        UsageError: the teacher's model is unknown.
        ModelCardError: its card or its weights do not fit each other.
        ExperimentError: it does not take the pictures of a stage.
    """

    def __init__(self, experiment: Experiment, *, device: torch.device) -> None:
        from monitor.classifiers.model_card import read_card  # needs pydantic, training without a teacher does not

        settings = experiment.distillation
        model, weights = architecture(settings.model), Path(settings.weights)
        for stage in experiment.stages:
            if stage.size not in model.INPUT_SIZES:
                raise ExperimentError(
                    f"the teacher {settings.model} does not take crops of {stage.size} pixels (stages.size)"
                )
        card = read_card(weights.with_suffix(".json"), weights=weights)
        self._normalisation = card.input.mean, card.input.std
        self._of_learner = experiment.normalisation
        self._networks = {
            size: model.build(weights, input_size=size).to(device).requires_grad_(requires_grad=False)
            for size in {stage.size for stage in experiment.stages}
        }

    @torch.no_grad()
    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N,) of pictures (N, 3, S, S) of a stage, normalised for the learner."""
        (mean, std), (own_mean, own_std) = self._of_learner, self._normalisation
        answer: torch.Tensor = self._networks[images.shape[-1]]((images * std + mean - own_mean) / own_std)[0]
        return answer
