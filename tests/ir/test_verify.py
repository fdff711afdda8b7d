"""The verifier: every invariant has a program that breaks it and no other."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, fx, nn

from prunec.errors import VerificationError
from prunec.frontends.huggingface import load
from prunec.ir.program import Input, Program, Provenance, build_module
from prunec.ir.verify import CONTEXT_LINES, excerpt, verify

aten = torch.ops.aten


class Rows(nn.Module):
    """A norm, a product and a reshape that reads the batch size."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.up = nn.Linear(4, 6)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.up(self.norm(x))).reshape(x.shape[0] * 2, -1)


def exported() -> Program:
    """`Rows` as `torch.export` traces it, with tensors as attributes and a flat output."""
    x = torch.ones(2, 5, 4)
    module = torch.export.export(Rows().eval(), (x,), dynamic_shapes={"x": {0: torch.export.Dim.DYNAMIC}}).module(
        check_guards=False
    )
    graph = fx.Graph()
    result = graph.graph_copy(module.graph, {})
    graph.output((result[0] if isinstance(result, tuple) else result,))
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return make(graph, tensors, x, axes={0: "batch"})


def make(graph: fx.Graph, tensors: dict[str, Tensor], x: Tensor, axes: dict[int, str] | None = None) -> Program:
    return Program(
        build_module(graph, tensors),
        (Input("x", x.dtype, axes or {}),),
        ("y",),
        {"x": x},
        Provenance("test", "Module", "none"),
    )


def small(change: Callable[[fx.Graph], None] = lambda graph: None, weight: Tensor | None = None) -> Program:
    """`y = relu(x @ weight.T)`, changed."""
    graph = fx.Graph()
    x, matrix = graph.placeholder("x"), graph.get_attr("weight")
    product = graph.call_function(aten.linear.default, (x, matrix))
    graph.output((graph.call_function(aten.relu.default, (product,)),))
    tensors = {"weight": torch.ones(3, 4) if weight is None else weight, "other": torch.ones(3)}
    change(graph)
    return make(graph, tensors, torch.ones(2, 4), {0: "batch"})


def complaint(program: Program) -> str:
    with pytest.raises(VerificationError) as caught:
        verify(program)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def last(graph: fx.Graph, op: str) -> fx.Node:
    nodes: list[fx.Node] = [node for node in graph.nodes if node.op == op]
    return nodes[-1]


def test_a_traced_module_is_valid() -> None:
    program = exported()
    verify(program)
    assert "aten.sym_size.int" in program.text()


def test_arithmetic_on_sizes_is_allowed() -> None:
    def scale(graph: fx.Graph) -> None:
        x = last(graph, "placeholder")
        with graph.inserting_before(last(graph, "output")):
            size = graph.call_function(aten.sym_size.int, (x, 0))
            bound = graph.call_function(torch.sym_max, (graph.call_function(operator.mul, (size, 2)), 4))
            row = graph.call_function(aten.slice.Tensor, (x, 0, 0, bound))
        last(graph, "output").args = ((row,),)

    verify(small(scale))


def test_nodes_come_after_what_they_read() -> None:
    program = small()
    linear, relu = (node for node in program.graph.nodes if node.op == "call_function")
    linear.prepend(relu)
    assert "'the graph is sound'" in complaint(program)


def test_the_graph_is_that_of_the_module() -> None:
    program = small()
    fx.GraphModule(program.module, program.graph)
    program.graph.owning_module = None
    assert "the graph belongs to another module" in complaint(program)


def test_inputs_are_as_many_as_placeholders() -> None:
    program = small()
    program = replace(program, inputs=program.inputs * 2)
    assert "2 inputs are declared and the graph has 1 placeholders" in complaint(program)


def test_inputs_stand_in_the_order_of_placeholders() -> None:
    graph = fx.Graph()
    a, b = graph.placeholder("a"), graph.placeholder("b_0")
    graph.output((graph.call_function(aten.sub.Tensor, (a, b)),))
    program = make(graph, {}, torch.ones(2))
    names = [Input("b.0", torch.float32, {}), Input("a", torch.float32, {})]
    example = {"a": torch.ones(2), "b.0": torch.ones(2)}
    verify(replace(program, inputs=(names[1], names[0]), example=example))
    swapped = replace(program, inputs=tuple(names), example=example)
    assert "input `b.0` stands at the place of placeholder `a`" in complaint(swapped)


def test_input_names_differ() -> None:
    graph = fx.Graph()
    graph.output((graph.call_function(aten.sub.Tensor, (graph.placeholder("x"), graph.placeholder("z"))),))
    program = make(graph, {}, torch.ones(2))
    assert "two inputs have one name: x, x" in complaint(replace(program, inputs=program.inputs * 2))


def test_attributes_are_tensors() -> None:
    program = small()
    program.module.weight = nn.Module()
    assert "`weight` is Module, not a tensor" in complaint(program)


def test_tensors_keep_count_of_their_changes() -> None:
    with torch.inference_mode():
        weight = torch.ones(3, 4)
    assert "`weight` was made in inference mode" in complaint(small(weight=weight))


def test_the_output_is_a_flat_tuple() -> None:
    def nest(graph: fx.Graph) -> None:
        output = last(graph, "output")
        output.args = ({"y": output.all_input_nodes[0]},)

    assert "does not return a flat tuple of nodes" in complaint(small(nest))


def test_outputs_are_as_many_as_their_names() -> None:
    program = replace(small(), outputs=("y", "z"))
    assert "2 outputs are declared and the graph returns 1" in complaint(program)


def test_output_names_differ() -> None:
    def twice(graph: fx.Graph) -> None:
        output = last(graph, "output")
        output.args = (tuple(output.all_input_nodes) * 2,)

    assert "two outputs have one name" in complaint(replace(small(twice), outputs=("y", "y")))


@pytest.mark.parametrize("target", [torch.relu, aten.relu, torch.nn.functional.relu])
def test_calls_are_registered_operators(target: Callable[[Tensor], Tensor]) -> None:
    def use(graph: fx.Graph) -> None:
        last(graph, "call_function").target = target

    assert "`relu` is neither a registered operator nor arithmetic" in complaint(small(use)).replace("aten.", "")


def test_methods_and_modules_are_not_called() -> None:
    def use(graph: fx.Graph) -> None:
        node = last(graph, "call_function")
        node.op, node.target = "call_method", "relu"

    assert "call_method of `relu` is not a registered operator" in complaint(small(use))


def test_attributes_are_read() -> None:
    def add(graph: fx.Graph) -> None:
        with graph.inserting_before(last(graph, "call_function")):
            graph.get_attr("other")

    assert "nothing reads `other`" in complaint(small(add))


def test_the_module_holds_nothing_else() -> None:
    program = small()
    program.module.register_buffer("left", torch.ones(1))
    program.module.register_parameter("over", nn.Parameter(torch.ones(1)))
    assert "nothing reads `over` (and 1 more)" in complaint(program)


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ({}, "input `x` has no example"),
        ({"x": torch.ones(2, 4).double()}, "the example of `x` is torch.float64, the input torch.float32"),
        ({"x": torch.ones(1, 4)}, "the example of `x` has size 1 on axis 0 (batch)"),
        ({"x": torch.tensor(1.0)}, "the example of `x` has no axis 0 (batch)"),
    ],
)
def test_examples_match_the_inputs(example: dict[str, Tensor], message: str) -> None:
    assert message in complaint(replace(small(), example=example))


def test_shapes_propagate() -> None:
    message = complaint(small(weight=torch.ones(3, 5)))
    assert "'shapes propagate': `linear_default` cannot run" in message


def test_shapes_are_left_out_on_request() -> None:
    verify(small(weight=torch.ones(3, 5)), shapes=False)


def test_shapes_that_depend_on_data_are_not_judged() -> None:
    def pick(graph: fx.Graph) -> None:
        output = last(graph, "output")
        with graph.inserting_before(output):
            found = graph.call_function(aten.nonzero.default, (output.all_input_nodes[0],))
            moved = graph.call_function(aten.transpose.int, (found, 0, 1))
        output.args = ((moved,),)

    verify(small(pick))


def test_an_error_shows_the_node_among_its_neighbours() -> None:
    with pytest.raises(VerificationError) as caught:
        verify(small(weight=torch.ones(3, 5)))
    assert caught.value.__notes__ == [
        "    %x = placeholder x\n"
        "--> %linear_default = aten.linear.default(%x, @weight)\n"
        "    %relu_default = aten.relu.default(%linear_default)\n"
        "    %output = output([%relu_default])"
    ]


def test_an_excerpt_is_ten_lines_either_side() -> None:
    graph = fx.Graph()
    nodes = [graph.placeholder("x")]
    for _ in range(40):
        nodes.append(graph.call_function(aten.relu.default, (nodes[-1],)))
    graph.output((nodes[-1],))
    lines = excerpt(graph, nodes[20]).splitlines()
    assert len(lines) == 2 * CONTEXT_LINES + 1
    assert lines[CONTEXT_LINES].startswith("--> %relu_default_19 ")


def test_a_program_keeps_its_graph_when_another_is_made_of_it(tiny_llama_dir: Path) -> None:
    program = load(tiny_llama_dir).program
    names = [node.name for node in program.graph.nodes]
    other = program.with_module(build_module(program.graph, program.tensors()))
    verify(program)
    verify(other)
    assert [node.name for node in other.graph.nodes] == names
