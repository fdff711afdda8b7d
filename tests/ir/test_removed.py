"""What went, twice: indices of what is left are counted among all that there were."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prunec.errors import PassError
from prunec.ir.program import Program, build_module
from prunec.ir.removed import Removed
from tests.ir.sketch import Sketch

aten = torch.ops.aten

SIZE = 9


@given(st.sets(st.integers(0, SIZE - 1), max_size=SIZE - 2), st.data())
def test_one_removal_after_another_is_one_removal(first: set[int], data: st.DataObject) -> None:
    left = [index for index in range(SIZE) if index not in first]
    second = data.draw(st.sets(st.integers(0, len(left) - 1), max_size=len(left) - 1))
    both = cut(first).then(cut(second)).cuts[("weight", 0)]
    assert both.tolist() == sorted(first | {left[place] for place in second})


def test_what_is_about_tensors_that_are_gone_is_left_out() -> None:
    removed = Removed({("a", 0): np.array([1]), ("b", 1): np.array([0])}, ("x",), {"a": "a.bias", "c": "c.bias"})
    kept = removed.within({"a", "a.bias"})
    assert (set(kept.cuts), kept.sublayers, dict(kept.biases)) == ({("a", 0)}, ("x",), {"a": "a.bias"})
    assert not Removed()


def cut(indices: set[int]) -> Removed:
    return Removed({("weight", 0): np.array(sorted(indices), dtype=np.int64)})


def two_branches() -> Program:
    """`x + down(relu(up(x)))`, twice."""
    draw = Sketch()
    x = draw.input("x", 2, 4, axes={0: "batch"})
    for layer in ("0", "1"):
        inner = draw(aten.relu.default, draw.linear(f"{layer}.mlp.up.weight", x, 6, 4))
        x = draw(aten.add.Tensor, x, draw.linear(f"{layer}.mlp.down.weight", inner, 4, 6))
    return draw.program(x)


def test_it_is_carried_out_by_the_names_of_tensors_and_branches() -> None:
    dense = two_branches()
    gone = {("0.mlp.up.weight", 0): np.array([1, 4]), ("0.mlp.down.weight", 1): np.array([1, 4])}
    removed = Removed(gone, ("1.mlp",), {"0.mlp.down.weight": "0.mlp.down.bias"})
    slim = removed.carried_out(dense)
    shapes = {name: tuple(tensor.shape) for name, tensor in slim.tensors().items()}
    assert shapes == {"0.mlp.up.weight": (4, 4), "0.mlp.down.weight": (4, 4), "0.mlp.down.bias": (4,)}
    again = Removed.between(dense, slim, gone, ("1.mlp",))
    assert (set(again.cuts), again.sublayers, again.biases) == (set(gone), ("1.mlp",), removed.biases)
    weights = slim.tensors() | {"0.mlp.down.bias": torch.ones(4)}
    x = dense.example["x"]
    (found,) = build_module(slim.graph, weights)(x)
    hidden = (x @ dense.tensor("0.mlp.up.weight")[[0, 2, 3, 5]].T).relu()
    torch.testing.assert_close(found, x + hidden @ dense.tensor("0.mlp.down.weight")[:, [0, 2, 3, 5]].T + 1)


@pytest.mark.parametrize(
    ("removed", "message"),
    [
        (Removed(sublayers=("2.mlp",)), "no sublayer 2.mlp"),
        (Removed({("0.mlp.up.weight", 0): np.array([6])}), r"no place \[6\] along axis 0 of 0.mlp.up.weight"),
        (Removed({("other", 0): np.array([0])}), r"no place \[0\] along axis 0 of other"),
        (Removed(biases={"other": "other.bias"}), "no product that takes other.bias"),
    ],
)
def test_what_does_not_fit_is_named(removed: Removed, message: str) -> None:
    with pytest.raises(PassError, match=message):
        removed.carried_out(two_branches())
