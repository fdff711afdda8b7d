"""What is kept under a hash is found again for the same numbers, and for no others."""

from __future__ import annotations

import torch

from prunec.calibration.hashes import content_hash, tensors_hash
from prunec.ir.program import Program
from tests.ir.sketch import Sketch


def program(weight: torch.Tensor) -> Program:
    sketch = Sketch()
    made = sketch.program(sketch.linear("w.weight", sketch.input("x", 5, 4), 3, 4))
    made.tensor("w.weight").data.copy_(weight)
    return made


def test_contents_are_alike_from_run_to_run_and_differ_by_any_number() -> None:
    weight = torch.randn(3, 4)
    changed = weight.clone()
    changed[2, 3] += 1e-6
    first = program(weight)
    assert content_hash(first) == content_hash(program(weight))
    assert content_hash(first) != content_hash(program(changed))


def test_a_tensor_without_axes_counts() -> None:
    assert tensors_hash([{"scale": torch.tensor(1.0)}]) != tensors_hash([{"scale": torch.tensor(2.0)}])


def test_a_tensor_without_elements_has_its_shape() -> None:
    assert tensors_hash([{"past": torch.empty(0, 2)}]) != tensors_hash([{"past": torch.empty(0, 3)}])
