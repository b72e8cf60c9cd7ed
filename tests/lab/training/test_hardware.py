import pytest
import torch

from monitor.errors import UsageError
from monitor.lab.training.hardware import computes_in_bf16, in_words, usable_device


def test_precision_is_asked_for_or_the_machines() -> None:
    cpu = torch.device("cpu")
    assert computes_in_bf16("bf16", cpu)
    assert not computes_in_bf16("fp32", cpu)
    assert computes_in_bf16("auto", cpu) == torch.cpu._is_avx512_bf16_supported()


def test_a_device_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert usable_device(None) == usable_device("cpu") == torch.device("cpu")
    with pytest.raises(UsageError, match="sees no CUDA GPU here"):
        usable_device("cuda")
    with pytest.raises(UsageError, match="no device 'tpu': it is cpu or cuda"):
        usable_device("tpu")


def test_the_card_tells_what_it_ran_on() -> None:
    assert in_words(torch.device("cpu"), half=True) == f"CPU, {torch.get_num_threads()} threads, bf16"
