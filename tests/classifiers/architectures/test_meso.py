import pytest

from monitor.classifiers.architectures.meso import MESO4, MESOINCEPTION4, Meso


@pytest.mark.parametrize(("meso", "parameters"), [(MESO4, 27_977), (MESOINCEPTION4, 28_615)])
def test_the_network_has_the_published_number_of_parameters(meso: Meso, parameters: int) -> None:
    assert sum(value.numel() for value in meso.body().parameters()) == parameters


@pytest.mark.parametrize("meso", [MESO4, MESOINCEPTION4])
def test_there_is_one_input_size(meso: Meso) -> None:
    assert list(meso.INPUT_SIZES) == [256]
