"""Comparing an artifact with the program it was made from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from prunec.cost.timer import Runner
from prunec.cost.workload import Workload
from prunec.ir.program import Program

WORKLOAD = Workload("encode", 1, 8, 1)


def assert_agrees(runner: Runner, program: Program, inputs: Mapping[str, Tensor], tolerance: float = 1e-4) -> None:
    """Every output by name, shape, type and value."""
    with torch.no_grad():
        expected = program(inputs)
    got = runner({name: value.numpy() for name, value in inputs.items()})
    assert list(got) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value.numpy(), atol=tolerance, rtol=0)
        assert got[name].dtype == value.numpy().dtype
