"""Folds BatchNorms in eval mode into the convolutions before them."""

import logging
from collections import Counter

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_log = logging.getLogger(__name__)


def fold_norms(module: nn.Module) -> int:
    """Fold, in place, each BatchNorm that is the only consumer of one convolution's output.

    The pairs come from the traced graph, not from names. The activation of a BatchNorm that has one remains. A module
    that cannot be traced stays unchanged: correct, but slower.

    Args:
        module: in eval mode.

    Returns:
        Number of folded BatchNorms.
    """
    layers = dict(module.named_modules())
    if not any(isinstance(layer, nn.BatchNorm2d) for layer in layers.values()):
        return 0
    try:
        graph = _Tracer().trace(module)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError) as error:
        _log.info("no BatchNorm of %s is folded, it cannot be traced: %s", type(module).__name__, error)
        return 0
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    folded = 0
    for node in graph.nodes:
        pair = _pair(node, layers)
        if pair is None or calls[pair[0]] > 1 or calls[pair[1]] > 1:
            continue
        convolution, norm = (layers[name] for name in pair)
        with torch.no_grad():
            fused = fuse_conv_bn_eval(convolution, norm)
        _put(module, pair[0], fused)
        _put(module, pair[1], nn.Identity() if type(norm) is nn.BatchNorm2d else nn.Sequential(norm.drop, norm.act))
        folded += 1
    return folded


class _Tracer(fx.Tracer):
    """Keeps convolutions and BatchNorms whole, also those of timm, which torch's tracer would open."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d | nn.BatchNorm2d) or super().is_leaf_module(m, module_qualified_name)


def _is_foldable(norm: nn.Module) -> bool:
    """Whether ``norm`` is a BatchNorm, perhaps followed by timm's dropout and activation (``BatchNormAct2d``)."""
    with_activation = isinstance(norm, nn.BatchNorm2d) and hasattr(norm, "drop") and hasattr(norm, "act")
    return type(norm) is nn.BatchNorm2d or with_activation


def _pair(node: fx.Node, layers: dict[str, nn.Module]) -> tuple[str, str] | None:
    """Names of a convolution and of the BatchNorm at ``node``, if the BatchNorm directly follows the convolution."""
    before = node.args[0] if node.op == "call_module" and node.args else None
    if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) != 1:
        return None
    first, second = str(before.target), str(node.target)
    if not isinstance(layers[first], nn.Conv2d) or not _is_foldable(layers[second]):
        return None
    return first, second


def _put(module: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(module.get_submodule(parent), child, layer)
