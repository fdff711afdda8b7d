"""The streaming pass feeds statistics once, with tokens that are not padding, and keeps nothing."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from torch import Tensor

from prunec.calibration.executor import collect
from prunec.calibration.statistics import Statistic
from prunec.facts import Family, Site
from prunec.passbase import Silent
from tests.passes.cases import Case, load_case


class Shapes(Statistic):
    """Notes the shapes it is fed."""

    name: ClassVar[str] = "shapes"

    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[int, ...]]] = []

    def update(self, family: Family, values: Tensor, site: Site | None = None, keys: np.ndarray | None = None) -> None:
        assert not values.requires_grad
        self.seen.append((family.name, tuple(values.shape)))


class Gradients(Shapes):
    """The same of gradients."""

    name: ClassVar[str] = "gradients"
    wants_gradients: ClassVar[bool] = True


class Steps(Silent):
    """Notes progress."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def item(self, text: str, done: int, total: int) -> None:
        self.seen.append((done, total))


@pytest.fixture(scope="module")
def llama(tiny_llama_dir: Path) -> Case:
    return load_case(tiny_llama_dir)


def feed(case: Case, *statistics: Statistic) -> Steps:
    steps = Steps()
    batches = case.corpus.score[:2]
    collect(case.program, case.structure, batches, statistics, case.goal.objective, seed=0, progress=steps)
    return steps


def test_activations_come_batch_by_batch_without_padding(llama: Case) -> None:
    shapes = Shapes()
    steps = feed(llama, shapes)
    assert steps.seen == [(1, 2), (2, 2)]
    kept = [int(batch["attention_mask"].sum()) for batch in llama.corpus.score[:2]]
    neurons = [shape for name, shape in shapes.seen if name == "model.layers.0.mlp.down_proj"]
    assert neurons == [(tokens, 96) for tokens in kept]
    assert len(shapes.seen) == 2 * len(llama.structure.families)


def test_gradients_come_a_sequence_at_a_time_and_activations_with_them(llama: Case) -> None:
    shapes, gradients = Shapes(), Gradients()
    steps = feed(llama, shapes, gradients)
    assert steps.seen[-1] == (8, 8)
    groups = [shape for name, shape in gradients.seen if name == "model.layers.0.self_attn.o_proj"]
    assert groups == [(2,)] * 8
    lengths = [int(length) for batch in llama.corpus.score[:2] for length in batch["attention_mask"].sum(1)]
    assert [shape[0] for name, shape in shapes.seen if name == "model.layers.0.mlp.down_proj"] == lengths


def test_weights_collect_no_gradients(llama: Case) -> None:
    feed(llama, Gradients())
    assert all(tensor.grad is None for tensor in llama.program.tensors().values())
