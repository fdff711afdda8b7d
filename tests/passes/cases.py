"""What pass tests work on: a program with its structure and a little text, and ways to alter and measure it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from prunec.calibration.corpus import Corpus
from prunec.calibration.masked import masked_program, plan_masks
from prunec.calibration.objective import Goal, objective
from prunec.facts import Dense, Plan, Structure
from prunec.frontends.huggingface import load
from prunec.ir.program import Program, build_module
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class Case:
    """A traced model, what can go from it, and text for it."""

    program: Program
    structure: Structure
    corpus: Corpus
    goal: Goal

    def facts(self, *more: object) -> Facts:
        """The facts of the case, and `more`."""
        facts = Facts()
        for fact in (Dense(self.program), self.structure, self.corpus, self.goal, *more):
            facts.put(fact)
        return facts

    def with_tensors(self, **tensors: Tensor) -> Case:
        """The case with other values of some tensors; `__` in a name stands for a dot."""
        named = {name.replace("__", "."): value for name, value in tensors.items()}
        return replace(self, program=with_tensors(self.program, named))


def load_case(folder: Path, *, with_cache: bool = False) -> Case:
    """The model in `folder` as a case."""
    loaded = load(folder, with_cache=with_cache)
    nowhere = Context(folder, folder)
    (structure,) = StructurePass().run(loaded.program, Facts(), nowhere).facts
    assert isinstance(structure, Structure)
    return Case(loaded.program, structure, small_corpus(), Goal(objective(loaded.task.objective)))


def small_corpus(vocabulary: int = 280, rows: int = 4, length: int = 12) -> Corpus:
    """Random tokens: every part of two batches (scoring: eight), each batch padded on the right by turns."""
    generator = torch.Generator().manual_seed(1)

    def batch() -> Batch:
        tokens = torch.randint(5, vocabulary, (rows, length), generator=generator)
        mask = torch.ones_like(tokens)
        for row in range(rows):
            mask[row, length - row :] = 0
        return {"input_ids": tokens, "attention_mask": mask}

    score = tuple(batch() for _ in range(8))
    return Corpus(score, (batch(), batch()), (batch(), batch()), "random tokens", "hash", False)


def with_tensors(program: Program, tensors: Mapping[str, Tensor]) -> Program:
    """`program` with other values of some tensors."""
    assert set(tensors) <= set(program.tensor_names())
    return program.with_module(build_module(program.graph, program.tensors() | dict(tensors)))


def masked_damage(case: Case, plan: Plan, batches: tuple[Batch, ...]) -> float:
    """Mean damage of `plan` by running the whole masked program: the slow and plain way."""
    masked = masked_program(case.program, case.structure)
    total, count = 0.0, 0.0
    with torch.no_grad():
        for batch in batches:
            pruned = masked({**batch, **plan_masks(case.structure, plan)})
            value, items = case.goal.objective.damage(pruned, case.program(batch), batch)
            total, count = total + value, count + items
    return total / count
