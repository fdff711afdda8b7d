"""What a model is called with while it is traced: its arguments, the names of their tensors, the dynamic axes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim
from transformers import Cache

from prunec.errors import InputError

AxisNames = Mapping[str, Mapping[int, str]]
BATCH = "batch"
CONSTANTS = (bool, int, float, str, type(None))
"""What a model may be given besides tensors: it is traced for that value."""


@dataclass(frozen=True)
class Feed:
    """Example arguments of a model.

    Attributes:
        arguments: keyword arguments: tensors, constants, lists, tuples and dicts of these, or a cache. A tensor inside
            goes by its path: `states.0` is the first of `states`; see `prunec.frontends.cache` for a cache's.
        axes: by the name of a tensor, the names of its dynamic axes.
        static: names of axes that are traced at the size they have here.
    """

    arguments: Mapping[str, Any]
    axes: AxisNames
    static: frozenset[str] = frozenset()

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name, in the order in which the graph takes them."""
        return {name: leaf for name, leaf in leaves(self.arguments) if isinstance(leaf, Tensor)}

    def dynamic_shapes(self) -> dict[str, Any]:
        """The dynamic axes as `torch.export` wants them."""

        def spec(name: str, leaf: Any) -> Any:
            return dict.fromkeys(self.axes.get(name, {}), Dim.AUTO) if isinstance(leaf, Tensor) else None

        return {name: _mapped(name, value, spec) for name, value in self.arguments.items()}

    def on(self, device: torch.device) -> Feed:
        """The same with every tensor on `device`."""
        return self.changed(lambda name, tensor: tensor.to(device))

    def doubled(self) -> Feed:
        """Repeated along each dynamic axis of size 1, which would be traced as fixed, and all that share its name."""
        tensors = self.tensors()
        short = {called for name, axis, called in self.named_axes() if tensors[name].shape[axis] < 2}

        def double(name: str, tensor: Tensor) -> Tensor:
            for axis in (axis for axis, called in self.axes.get(name, {}).items() if called in short):
                tensor = torch.cat([tensor] * 2, dim=axis)
            return tensor

        return self.changed(double) if short else self

    def keeping(self, wanted: Callable[[str, int, str], bool]) -> Feed:
        """With the dynamic axes only of which `wanted(tensor, axis, name)` holds."""
        axes = {
            name: {axis: called for axis, called in named.items() if wanted(name, axis, called)}
            for name, named in self.axes.items()
        }
        return replace(self, axes=axes)

    def changed(self, change: Callable[[str, Tensor], Tensor]) -> Feed:
        """With every tensor replaced by `change(name, tensor)`."""

        def each(name: str, leaf: Any) -> Any:
            return change(name, leaf) if isinstance(leaf, Tensor) else leaf

        arguments = {
            name: value if isinstance(value, Cache) else _mapped(name, value, each)
            for name, value in self.arguments.items()
        }
        return replace(self, arguments=arguments)

    def named_axes(self) -> Iterator[tuple[str, int, str]]:
        """Every dynamic axis as `(tensor, axis, name)`."""
        for name, named in self.axes.items():
            for axis, called in named.items():
                yield name, axis, called


def leaves(arguments: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Every tensor and constant in `arguments` with its name, in the order in which torch flattens them."""
    found: list[tuple[str, Any]] = []
    for name, value in arguments.items():
        _mapped(name, value, lambda path, leaf: found.append((path, leaf)))
    return found


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuse, by name, what a model cannot be traced on.

    Raises:
        InputError: there is no tensor, or something that is neither a tensor nor a constant.
    """
    for name, value in arguments.items():
        if isinstance(value, Cache):
            raise InputError(f"example input {name} is a {type(value).__name__}", "trace with_cache=True instead")
    for name, value in leaves(arguments):
        if not isinstance(value, (Tensor, *CONSTANTS)):
            raise InputError(
                f"example input {name} is a {type(value).__name__}",
                "give tensors, numbers, None, or lists, tuples and dicts of these, by argument name",
            )
    if not any(isinstance(value, Tensor) for _, value in leaves(arguments)):
        raise InputError("there are no example inputs", "give a tensor for each argument of the model's forward")


def check_axes(feed: Feed) -> None:
    """Refuse names for axes that are not there.

    Raises:
        InputError: `feed.axes` names a tensor or an axis that does not exist.
    """
    tensors = feed.tensors()
    for name, named in feed.axes.items():
        if name not in tensors:
            raise InputError(f"dynamic_axes names {name}, which is no example input", f"inputs: {', '.join(tensors)}")
        if any(axis >= tensors[name].dim() or axis < 0 for axis in named):
            raise InputError(
                f"dynamic_axes names an axis that {name} {list(tensors[name].shape)} lacks", "count from 0"
            )


def _mapped(name: str, value: Any, change: Callable[[str, Any], Any]) -> Any:
    """`value` with each leaf replaced; a cache becomes the list of its leaves, as torch flattens it."""
    if type(value) is dict:
        return {key: _mapped(f"{name}.{key}", item, change) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_mapped(f"{name}.{index}", item, change) for index, item in enumerate(value))
    if isinstance(value, Cache) and type(value) in torch.utils._pytree.SUPPORTED_NODES:
        tensors, _ = torch.utils._pytree.tree_flatten(value)
        return [change(cache_tensor(name, index), tensor) for index, tensor in enumerate(tensors)]
    return change(name, value)


def cache_tensor(cache: str, index: int) -> str:
    """The name of tensor `index` of a cache: `past_key_values.0.key`, `past_key_values.0.value`, and so on."""
    return f"{cache}.{index // 2}.{('key', 'value')[index % 2]}"
