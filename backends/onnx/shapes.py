"""The shape of every value of a program in terms of its dynamic axes, found by running it on shapes alone.

Tracing with symbolic sizes answers the same question and takes many times as long. Here the program runs on
fake tensors, without data: at three settings of its axes drawn at random and at the example's. A size that is
one multiple of an axis (or of two) plus a constant at all of them is taken for that; one that fits nothing
stays unknown.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

from prunec.ir.execute import input_values
from prunec.ir.nodes import function
from prunec.ir.program import Program, axis_size

DRAWS = 3
SCALES = (200_000, 8_000, 500, 60, 24)
"""Upper bounds of the sizes drawn, largest first: the largest that the program takes shows the most."""

AXIS, UNKNOWN = 101, 7919
"""What a symbol stands for where something must be decided: sizes that no parameter has by chance."""

Setting = Mapping[str, int]
Size = tuple[int, tuple[str, ...], int]
"""`(factor, axes, offset)`: `factor` times the product of `axes`, plus `offset`."""


class UnknownShapes(Exception):
    """The program does not run on shapes alone."""


@dataclass(frozen=True)
class Shapes:
    """What a program's nodes hold.

    Attributes:
        values: per node, the parameter itself, a fake tensor with symbolic sizes, a number, or a tuple of these.
        axes: the axis that each symbol stands for, such as `s26` for `batch`.
        mode: that of the fake tensors.
    """

    values: Mapping[fx.Node, Any]
    axes: Mapping[str, str]
    mode: FakeTensorMode


def symbolic_shapes(program: Program) -> Shapes:
    """Every node's value in terms of the program's dynamic axes.

    Raises:
        UnknownShapes: the program does not run on shapes alone, such as where a size depends on data.
    """
    sizes = {name: program.example[item.name].shape[axis] for item in program.inputs
             for axis, name in item.axes.items()}  # fmt: skip
    example = {name: size for name, size in sizes.items() if "+" not in name}
    sums = sizes.keys() - example.keys()
    for name in sums:  # where the cache is gone, only its mask tells how long the past is
        parts = [part.strip() for part in name.split("+")]
        example |= {part: sizes[name] - sum(example.get(other, 0) for other in parts) for part in parts
                    if part not in example}  # fmt: skip
    settings, probes = _probe(program, example, sums)
    merger = _Merger(settings)
    values: dict[fx.Node, Any] = {}
    for node in program.graph.nodes:
        if node.op == "get_attr":
            values[node] = program.tensor(str(node.target))
        elif node.op != "output":
            values[node] = merger.merge([probe[node] for probe in probes])
    return Shapes(values, {str(symbol): name for name, symbol in merger.symbols.items()}, merger.mode)


def same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two shapes are always equal: symbols are not compared by value, which would fix them."""
    return [_term(size) for size in one] == [_term(size) for size in other]


def _term(size: Any) -> Any:
    return size if isinstance(size, int) else size.node.expr


def _probe(program: Program, example: Setting, sums: Collection[str]) -> tuple[list[Setting], list[dict[fx.Node, Any]]]:
    """Settings of the axes at the largest scale that the program takes, then the example's, with all values at each."""
    reason: Exception | None = None
    for scale in SCALES if example else SCALES[-1:]:
        sizes = random.Random(scale).sample(range(scale // 2, scale), DRAWS * len(example))
        drawn = [dict(zip(example, sizes[draw::DRAWS], strict=True)) for draw in range(DRAWS)] if example else []
        settings: list[Setting] = [
            {**own, **{name: axis_size(name, own) for name in sums}} for own in [*drawn, example]
        ]
        try:
            return settings, [_run(program, setting) for setting in settings]
        except Exception as error:  # whatever an operator makes of sizes it cannot take
            reason = error
    raise UnknownShapes(f"it does not run on shapes alone: {reason}") from reason


def _run(program: Program, setting: Setting) -> dict[fx.Node, Any]:
    """The value of every node; calls that only repeat others, as those of one layer do another's, share theirs."""
    inputs, made = {}, dict[Hashable, Any]()
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        for item in program.inputs:
            sizes = enumerate(program.example[item.name].shape)
            shape = [setting[item.axes[axis]] if axis in item.axes else size for axis, size in sizes]
            inputs[item.name] = torch.empty(shape, dtype=item.dtype)
        values = input_values(program, inputs)
        for node in program.graph.nodes:
            if node.op == "get_attr":
                values[node] = program.tensor(str(node.target))
            elif node.op == "call_function":
                args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
                call = (node.target, outline(args), outline(kwargs))
                if call not in made:
                    made[call] = function(node)(*args, **kwargs)
                values[node] = made[call]
    return values


def outline(value: Any) -> Hashable:
    """What of an argument the shape of a result may depend on: equal for tensors that differ in their numbers alone."""
    if isinstance(value, FakeTensor) and value.constant is None:
        return value.dtype, value.shape, value.stride()
    if isinstance(value, Tensor):  # its numbers are there, and may be sizes
        return (value.dtype, value.shape, value.stride()) if value.is_floating_point() and value.dim() else id(value)
    if isinstance(value, (list, tuple)):
        return type(value), *map(outline, value)
    if isinstance(value, dict):
        return tuple((key, outline(item)) for key, item in value.items())
    return type(value), value


def fit(sizes: Sequence[int], settings: Sequence[Setting]) -> Size | None:
    """What `sizes`, one per setting, are in terms of the axes; None where nothing fits."""
    if len(set(sizes)) == 1:
        return 0, (), sizes[0]
    axes = tuple(settings[0])
    for product in [(axis,) for axis in axes] + [(a, b) for i, a in enumerate(axes) for b in axes[i + 1 :]]:
        bases = [math.prod(setting[axis] for axis in product) for setting in settings]
        factor = (sizes[1] - sizes[0]) // (bases[1] - bases[0]) if bases[1] != bases[0] else 0
        offset = sizes[0] - factor * bases[0]
        if factor > 0 and all(factor * base + offset == size for base, size in zip(bases, sizes, strict=True)):
            return factor, product, offset
    return None


class _Merger:
    """Makes one symbolic value of what the probes saw; equal shapes share one fake tensor."""

    def __init__(self, settings: Sequence[Setting]) -> None:
        self._settings = settings
        self.mode = FakeTensorMode(shape_env=ShapeEnv())
        self._made: dict[tuple[torch.dtype, tuple[tuple[int, ...], ...]], Tensor] = {}
        self._unknown: dict[tuple[int, ...], Any] = {}
        names = [name for name in settings[0] if "+" not in name]
        self.symbols = {name: self._symbol(AXIS + 2 * index) for index, name in enumerate(names)}

    def merge(self, seen: Sequence[Any]) -> Any:
        """The value that stands for `seen`, one value per setting."""
        first = seen[0]
        if isinstance(first, Tensor):
            columns = zip(*(value.shape for value in seen), strict=True)
            return self._tensor(first.dtype, tuple(columns))
        if isinstance(first, (list, tuple)):
            return tuple(self.merge(items) for items in zip(*seen, strict=True))
        return self._size(tuple(seen)) if type(first) is int else first

    def _tensor(self, dtype: torch.dtype, columns: tuple[tuple[int, ...], ...]) -> Tensor:
        if (dtype, columns) not in self._made:
            sizes = [self._size(column) for column in columns]  # outside of the mode, which would make symbols numbers
            with self.mode:
                self._made[dtype, columns] = torch.empty(sizes, dtype=dtype)
        return self._made[dtype, columns]

    def _size(self, seen: tuple[int, ...]) -> Any:
        """What was `seen`, one number per setting, in terms of the axes; a symbol of its own where nothing fits."""
        size = fit(seen, self._settings)
        if size is None:
            if seen not in self._unknown:
                self._unknown[seen] = self._symbol(UNKNOWN)
            return self._unknown[seen]
        factor, axes, offset = size
        return factor * math.prod(axis_size(axis, self.symbols) for axis in axes) + offset if axes else offset

    def _symbol(self, hint: int) -> Any:
        context: Any = StatelessSymbolicContext(dynamic_sizes=[DimDynamic.DYNAMIC])
        return self.mode.from_tensor(torch.empty(hint, device="meta"), symbolic_context=context).shape[0]
