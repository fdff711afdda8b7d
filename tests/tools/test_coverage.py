"""What other tools can cut: what is left equals the masked model or is found out, and the page counts it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from tests.zoo.judge import Judgement
from tests.zoo.trial import Trial
from tools.bench import coverage, coverage_onnx
from tools.bench.coverage import ours, rows
from tools.bench.coverage_masks import NotMaskedError, distance, masked
from tools.bench.coverage_page import page
from tools.bench.coverage_torch import bypass_last, outputs_of

GENERATOR = np.random.default_rng(0)
UP, DOWN = GENERATOR.standard_normal((6, 4)), GENERATOR.standard_normal((4, 6))
KEPT = [0, 2, 5]


def kinds(case: str, tool: str, *outcomes: str) -> list[dict[str, Any]]:
    return [
        {"case": case, "tool": tool, "kind": kind, "outcome": outcome, "lacking": int(outcome != "equal")}
        for kind, outcome in zip(("heads", "neurons", "sublayers"), outcomes, strict=True)
    ]


def test_what_went_is_zero_in_the_dense_weights() -> None:
    found = masked({"up": UP, "down": DOWN, "other": UP}, {"up": UP[KEPT], "down": DOWN[:, KEPT], "other": UP})
    assert set(found) == {"up", "down"}
    gone = [1, 3, 4]
    np.testing.assert_array_equal(found["up"][KEPT], UP[KEPT])
    assert not found["up"][gone].any()
    np.testing.assert_array_equal(found["down"][:, KEPT], DOWN[:, KEPT])
    assert not found["down"][:, gone].any()


@pytest.mark.parametrize(
    ("left", "why"),
    [
        ({"up": UP}, "nothing was removed"),
        ({"up": UP + 1}, "up has other values"),
        ({"up": UP[KEPT] * 2}, "up has other values"),
        ({"up": UP[KEPT][:, :2]}, "up was cut along 2 axes"),
    ],
)
def test_what_is_no_part_of_what_was_there_is_found_out(left: dict[str, np.ndarray], why: str) -> None:
    with pytest.raises(NotMaskedError, match=why):
        masked({"up": UP}, left)


def test_outputs_of_other_shapes_or_without_numbers_do_not_compare() -> None:
    assert distance([np.ones(3)], [np.full(3, 1.5)]) == pytest.approx(0.5 / 1.5)
    assert distance([np.ones(3)], [np.ones(2)]) == float("inf")
    assert distance([np.array([np.nan])], [np.ones(1)]) == float("inf")


class Layer(nn.Module):
    """Adds what it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, str]:
        return hidden_states + self.linear(hidden_states), "attention"


class Stack(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Layer() for _ in range(depth)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x, _ = layer(x)
        return x


def test_layers_that_went_from_the_end_are_bypassed() -> None:
    dense, pruned = Stack(3), Stack(2)
    pruned.load_state_dict(dense.state_dict(), strict=False)
    inputs = {"x": torch.randn(2, 4)}
    assert distance(outputs_of(pruned, inputs), outputs_of(dense, inputs)) > 0.01
    bypass_last(dense, pruned)
    assert distance(outputs_of(pruned, inputs), outputs_of(dense, inputs)) < 1e-6


def test_a_file_with_other_weights_gives_other_outputs() -> None:
    weight = numpy_helper.from_array(UP.astype(np.float32), "up")
    shape: list[str | int | None] = [2, 6]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "up"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])],
        [weight, numpy_helper.from_array(np.array([1, 2]), "shape")],
    )
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    assert list(coverage_onnx.arrays(model)) == ["up"]
    inputs = {"x": torch.ones(2, 6), "unread": torch.ones(1)}
    (found,) = coverage_onnx.outputs_of(model, inputs)
    np.testing.assert_allclose(found[0], UP.sum(0), rtol=1e-5)
    (none,) = coverage_onnx.outputs_of(coverage_onnx.with_arrays(model, {"up": np.zeros((6, 4), np.float32)}), inputs)
    assert not none.any()


def test_a_model_that_cannot_be_built_is_a_row_and_rows_that_are_there_are_kept(tmp_path: Path) -> None:
    known = kinds("no such:case", "optipfair", "equal", "equal", "equal")
    found = list(rows(known, ["no such:case"], ["optipfair", "torch-pruning"], tmp_path, 1))
    assert {(row["tool"], row["kind"]) for row in found} == {
        ("torch-pruning", kind) for kind in ("heads", "neurons", "sublayers")
    }
    assert all(row["outcome"].startswith("build: ") for row in found)


def test_a_run_without_names_repeats_what_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = json.loads((Path(__file__).parents[2] / "docs" / "coverage.json").read_text(encoding="utf-8"))
    asked: list[list[str]] = []

    def nothing_found(known: object, names: list[str], *_: object) -> list[dict[str, Any]]:
        asked.append(names)
        return []

    monkeypatch.setattr(coverage, "rows", nothing_found)
    files = ["--results", f"{tmp_path}/rows.json", "--page", f"{tmp_path}/page.md"]
    monkeypatch.setattr("sys.argv", ["coverage", f"{tmp_path}/judged.jsonl", *files])
    coverage.main()
    assert sorted(asked[0]) == sorted({row["case"] for row in published})


@pytest.mark.parametrize(
    ("judged", "outcomes"),
    [
        (Judgement("a", families={"head": 2, "neuron": 2}, sublayers={"ffn": 2}), ("equal", "equal", "equal")),
        (Judgement("a", families={"neuron": 2}), ("none found", "equal", "none found")),
        (Judgement("a", trouble="trace: no"), ("trace: no",) * 3),
        (
            Judgement("a", families={"head": 2}, trials=[Trial("mixed", 0.5, 0.5)]),
            ("unlike: 1 plans differ",) * 3,
        ),
    ],
)
def test_ours_is_read_off_the_judgement(judged: Judgement, outcomes: tuple[str, ...]) -> None:
    assert ours(judged) == kinds("a", "prunec", *outcomes)


def test_the_page_counts_what_is_equal_and_says_why_the_rest_is_not() -> None:
    text = page(
        [
            *kinds("a", "prunec", "equal", "equal", "equal"),
            *kinds("b", "prunec", "equal", "none found", "equal"),
            *kinds("a", "other", "equal", "failed: it | broke", "not tried: never"),
            *kinds("b", "other", "failed: it | broke", "failed: it | broke", "not tried: never"),
        ]
    )
    assert "| prunec | 2 | 2 (100%) | 1 (50%) | 2 (100%) | 1 (50%) |" in text
    assert "| other | 2 | 1 (50%) | 0 (0%) | 0 (0%) | 0 (0%) |" in text
    assert "| neurons | 2 | `failed: it / broke` |" in text
