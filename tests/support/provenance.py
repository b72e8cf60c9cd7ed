"""What a made-up result depends on."""

from support.observations import ENGINE, source_info

from monitor.classifiers.model_card import ModelCard
from monitor.results.report import Provenance
from monitor.results.report_content import ModelSummary
from monitor.settings import Settings


def model_card() -> ModelCard:
    return ModelCard.model_validate(
        {
            "id": "made-for-a-test-1",
            "architecture": "none",
            "weights_sha256": "0" * 64,
            "dtype": "float32",
            "output": "one logit, positive = fake",
            "input": {"size": 96, "channels": "RGB", "mean": 127.5, "std": 128.0, "resize": "area"},
            "crop": {"side_over_box_height": 0.85, "centre_below_box_centre_over_box_height": 0.06},
            "calibration": {"kind": "platt", "scale": 2.0, "shift": -1.0, "fitted_on": "nothing"},
            "training": {},
            "metrics": {},
            "limits": "It never saw a face.",
            "licence": "none",
        }
    )


def provenance() -> Provenance:
    return Provenance(
        source=source_info(),
        sha256=None,
        settings=Settings(),
        model=ModelSummary.of(model_card()),
        engine=ENGINE,
        engine_reason="the default on a CPU",
    )
