"""The traced model: an ATen-level graph with named inputs, named outputs and where it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, fx

PAST_AXIS = "past"
"""The name of the axis along which a key-value cache holds what came before."""


@dataclass(frozen=True)
class Input:
    """One graph input.

    Attributes:
        name: what it is fed by.
        dtype: of its elements.
        axes: the names of its dynamic axes, as in `{0: "batch", 1: "sequence"}`. An axis as long as two others
            together has the name `past + sequence`.
        fixed: sizes of named axes that the model would not leave dynamic, as in `{"sequence": 128}`.
    """

    name: str
    dtype: torch.dtype
    axes: Mapping[int, str]
    fixed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class CachePair:
    """What one step of decoding hands to the next: the output `present` is the input `past` of the next step.

    Both are `[batch, heads, tokens, head size]`; their heads go where those of the attention go that reads them.
    """

    past: str
    present: str


@dataclass(frozen=True)
class Provenance:
    """Where a program came from: enough for a report to name it and for a cache to tell two apart."""

    source: str
    model_class: str
    task: str
    config: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """A traced model.

    Attributes:
        module: the graph. Placeholders are the inputs, in the order of `inputs`; parameters and
            buffers are `get_attr` nodes under their checkpoint names; every call is a registered
            operator, nearly always of ATen, or symbolic-integer arithmetic; the output node holds a
            flat tuple.
        inputs: the graph inputs.
        outputs: a name per graph output.
        example: one tensor per input; every dynamic axis has a size of at least 2.
        provenance: where it came from.
        caches: which inputs and outputs are a key-value cache.
        positions: the input that holds each token's place, counted from 0; empty where there is none.
    """

    module: fx.GraphModule
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    example: Mapping[str, Tensor]
    provenance: Provenance
    caches: tuple[CachePair, ...] = ()
    positions: str = ""

    @property
    def graph(self) -> fx.Graph:
        """The graph of `module`."""
        return self.module.graph

    @property
    def fixed(self) -> dict[str, int]:
        """Sizes of the named axes that the model would not leave dynamic, by name."""
        return {name: size for item in self.inputs for name, size in item.fixed.items()}

    @property
    def asked(self) -> tuple[Input, ...]:
        """The inputs that must be given: caches and positions follow from them (`prunec.ir.past.completed`)."""
        implied = {self.positions, *(pair.past for pair in self.caches)}
        return tuple(item for item in self.inputs if item.name not in implied)

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run the program; `inputs` may hold more than the program takes, and need only what is `asked`."""
        from prunec.ir.past import completed

        inputs = completed(self, inputs)
        values = self.module(*(inputs[item.name] for item in self.inputs))
        return dict(zip(self.outputs, values, strict=True))

    def tensor(self, name: str) -> Tensor:
        """The parameter or buffer called `name`."""
        value: object = self.module
        for part in name.split("."):
            value = getattr(value, part)
        assert isinstance(value, Tensor)
        return value

    def tensor_names(self) -> Iterator[str]:
        """The parameters and buffers that the graph reads, each once, in graph order."""
        seen: set[str] = set()
        for node in self.graph.nodes:
            if node.op == "get_attr" and node.target not in seen:
                seen.add(node.target)
                yield node.target

    def tensors(self) -> dict[str, Tensor]:
        """The parameters and buffers that the graph reads, by name."""
        return {name: self.tensor(name) for name in self.tensor_names()}

    def parameter_count(self, names: Iterable[str] | None = None) -> int:
        """Elements in the floating-point tensors that the graph reads, or in those of `names`; tied ones count once."""
        return sum(tensor.numel() for tensor in self._distinct(names) if tensor.is_floating_point())

    def size_bytes(self, names: Iterable[str] | None = None) -> int:
        """Bytes of the tensors that the graph reads, or of those of `names`; tied ones count once."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self._distinct(names))

    def _distinct(self, names: Iterable[str] | None) -> Iterable[Tensor]:
        tensors = map(self.tensor, self.tensor_names() if names is None else names)
        return {tensor.data_ptr() or id(tensor): tensor for tensor in tensors}.values()

    def text(self) -> str:
        """The program as text: stable from run to run, weights as shapes only."""
        from prunec.ir.text import to_text

        return to_text(self)

    def fingerprint(self) -> str:
        """A hash of the graph, the tensor shapes and the tensors' identities: it changes when any of them does."""
        digest = hashlib.sha256(self.text().encode())
        for name, tensor in self.tensors().items():
            digest.update(f"{name}:{id(tensor)}:{tensor._version}".encode())
        return digest.hexdigest()[:16]

    def with_module(self, module: fx.GraphModule) -> Program:
        """This program with another graph: same inputs, outputs and provenance."""
        return replace(self, module=module)


def axis_size(name: str, sizes: Mapping[str, int]) -> int:
    """The size of the axis called `name`, which may be a sum such as `past + sequence`, where others have `sizes`."""
    return sum(sizes[part.strip()] for part in name.split("+"))


def build_module(graph: fx.Graph, tensors: Mapping[str, Tensor]) -> fx.GraphModule:
    """A `GraphModule` over `graph` whose `get_attr` nodes read `tensors`; unread tensors are left out.

    A parameter that the original registers as `nn.Parameter` stays one, so that tracing the module
    again keeps its name. A graph belongs to one module: one that has a module already is copied, names kept.
    """
    if graph.owning_module is not None:
        graph = deepcopy(graph)
    read = {node.target: tensors[node.target] for node in graph.nodes if node.op == "get_attr"}
    module = fx.GraphModule(read, graph)
    module.eval()
    return module
