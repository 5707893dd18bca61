"""Copies of modules, for what must leave no trace in them: what is not ours may keep state in Python attributes."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from bnexp.norms import BatchNorm

OF_EVERY_MODULE = frozenset(vars(nn.Module()))
"""The attributes in which PyTorch keeps parameters, buffers, layers and hooks."""


def copied(module: nn.Module) -> nn.Module:
    """A deep copy; a tensor in an attribute that is the result of a graph, which PyTorch will not copy, without it."""
    return copy.deepcopy(module, {id(t): t.detach().clone() for t in tensors_held(module) if not t.is_leaf})


@torch.no_grad()
def put(tensors: Mapping[str, Tensor], network: nn.Module) -> None:
    """Copy parameters and buffers into a network, by their names in it; its state may lack some, or have them twice."""
    own = tensors_of(network)
    for name, tensor in tensors.items():
        own[name].copy_(tensor)


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """Its parameters and buffers, each once."""
    return dict(network.named_parameters()) | dict(network.named_buffers())


def tensors_held(module: nn.Module) -> list[Tensor]:
    """The tensors that a module keeps in Python attributes, as opposed to parameters and buffers."""
    return [tensor for part in module.modules() for tensor in _tensors_in(list(attributes(part).values()), set())]


def attributes(module: nn.Module) -> dict[str, Any]:
    """What a module has besides what every module has."""
    return {name: value for name, value in vars(module).items() if name not in OF_EVERY_MODULE}


def _tensors_in(value: Any, seen: set[int]) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif not isinstance(value, (str, int, float, type, FunctionType, ModuleType)) and id(value) not in seen:
        seen.add(id(value))
        inside = value.values() if isinstance(value, dict) else getattr(value, "__dict__", {}).values()
        for part in value if isinstance(value, (list, tuple, set)) else inside:
            yield from _tensors_in(part, seen)


@contextlib.contextmanager
def untouched(network: nn.Module, device: torch.device | str = "cpu") -> Iterator[nn.Module]:
    """The network with copies of those of its modules that are neither PyTorch's nor ours, while it is open.

    What these keep, but for the population statistics of BN (Algorithm 2), is forgotten at the end, and so is what was
    drawn at random. Where the network itself is somebody else's it is a copy as a whole.
    """
    outermost = dict(_foreign(network))
    copies = {name: copied(module) for name, module in outermost.items()}
    on_gpu = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(on_gpu):
        try:
            for name, module in copies.items():
                _replace(network, name, module)
            yield copies.get("", network)
        finally:
            for name, module in outermost.items():
                _replace(network, name, module)
    for name, module in outermost.items():
        _take_over_statistics(module, copies[name])


def _foreign(module: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    if type(module).__module__.partition(".")[0] not in ("torch", "bnexp"):
        yield name, module
        return
    for part, inner in module.named_children():
        yield from _foreign(inner, f"{name}.{part}" if name else part)


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    if last:
        setattr(network.get_submodule(parent), last, module)


@torch.no_grad()
def _take_over_statistics(module: nn.Module, estimated: nn.Module) -> None:
    for ours, theirs in zip(module.modules(), estimated.modules(), strict=True):
        if isinstance(ours, BatchNorm) and isinstance(theirs, BatchNorm) and ours.statistics == "population":
            ours.mean.copy_(theirs.mean)
            ours.var.copy_(theirs.var)
