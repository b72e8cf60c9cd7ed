"""Fewer layers, the same function: BatchNorms in eval mode folded into the convolutions before them."""

import logging
from collections import Counter

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_log = logging.getLogger(__name__)


def fold_norms(module: nn.Module) -> int:
    """Fold, in place, each BatchNorm whose input is the output of one convolution that nothing else sees.

    Which those are is read from the traced graph, not guessed from names. A module that cannot be traced stays as it
    is: it is correct, and slower.

    Args:
        module: in eval mode.

    Returns:
        How many were folded.
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
    """The names of a convolution and the BatchNorm that ``node`` is, if they follow each other so."""
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
