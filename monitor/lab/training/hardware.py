"""Device and precision of a training."""

import torch

from monitor.errors import UsageError


def usable_device(name: str | None) -> torch.device:
    """The device called ``name``, or a GPU if there is one.

    Raises:
        UsageError: it is not available.
    """
    wanted = name or ("cuda" if torch.cuda.is_available() else "cpu")
    if wanted not in ("cpu", "cuda"):
        raise UsageError(f"there is no device {wanted!r}: it is cpu or cuda")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"torch {torch.__version__} sees no CUDA GPU here: train on the cpu, or install a CUDA build of torch"
        )
    return torch.device(wanted)


def in_words(device: torch.device, *, half: bool) -> str:
    """Description for the model card."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return f"{name}, {'bf16' if half else 'fp32'}"


def computes_in_bf16(precision: str, device: torch.device) -> bool:
    """Whether matrix products run in bf16: requested, or "auto" on hardware that supports it."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001 - torch has no public function for it
