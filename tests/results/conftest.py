import pytest
from support import provenance as made

from monitor.classifiers.model_card import ModelCard
from monitor.results.report import Provenance


@pytest.fixture
def card() -> ModelCard:
    return made.model_card()


@pytest.fixture
def provenance() -> Provenance:
    return made.provenance()
