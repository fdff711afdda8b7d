"""Comparing an artifact with the program it was made from, on inputs of any shape."""

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


def text_inputs(batch: int, length: int) -> dict[str, Tensor]:
    """Token ids, and a mask with padding on the left of the first row."""
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[0, : length // 3] = 0
    return {"input_ids": torch.randint(0, 50, (batch, length)), "attention_mask": mask}
