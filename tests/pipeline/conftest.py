"""What pipeline tests share: a program of two calls, and a context."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import fx

from prunec.ir.program import Input, Program, Provenance, build_module
from prunec.passbase import Context


@pytest.fixture
def program() -> Program:
    """`y = relu(x @ weight.T)`, with `weight` of 3 by 4 and a dynamic first axis."""
    graph = fx.Graph()
    x, weight = graph.placeholder("x"), graph.get_attr("weight")
    product = graph.call_function(torch.ops.aten.linear.default, (x, weight))
    graph.output((graph.call_function(torch.ops.aten.relu.default, (product,)),))
    module = build_module(graph, {"weight": torch.ones(3, 4)})
    inputs = (Input("x", torch.float32, {0: "batch"}),)
    return Program(module, inputs, ("y",), {"x": torch.ones(2, 4)}, Provenance("test", "Linear", "none"))


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A context whose folders are the test's own."""
    return Context(scratch=tmp_path / "scratch", cache=tmp_path / "cache")
