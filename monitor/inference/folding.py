"""Folds BatchNorms in eval mode into the convolutions before them."""

import logging
from collections import Counter

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_log = logging.getLogger(__name__)


def fold_norms(module: nn.Module) -> int:
    """Fold, in place, each BatchNorm that is the only consumer of one convolution's output.

    The pairs come from the traced graph, not from names. A module that cannot be traced stays unchanged: correct, but
    slower.

    Args:
        module: in eval mode.

    Returns:
        Number of folded BatchNorms.
    """
    layers = dict(module.named_modules())
    if not any(isinstance(layer, nn.BatchNorm2d) for layer in layers.values()):
        return 0
    try:
        graph = fx.symbolic_trace(module).graph
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
        _put(module, pair[1], nn.Identity())
        folded += 1
    return folded


def _pair(node: fx.Node, layers: dict[str, nn.Module]) -> tuple[str, str] | None:
    """Names of a convolution and of the BatchNorm at ``node``, if the BatchNorm directly follows the convolution."""
    before = node.args[0] if node.op == "call_module" and node.args else None
    if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) != 1:
        return None
    first, second = str(before.target), str(node.target)
    if not isinstance(layers[first], nn.Conv2d) or not isinstance(layers[second], nn.BatchNorm2d):
        return None
    return first, second


def _put(module: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(module.get_submodule(parent), child, layer)
