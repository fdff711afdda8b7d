"""Which of a program's parameters are trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prunec.ir.program import Program
from prunec.passes.rewrite.distill.student import Student
from tests.passes.cases import Case
from tests.programs import program_from_module


class Model(nn.Module):
    """A table, and a head that may be the same tensor."""

    def __init__(self, tied: bool) -> None:
        super().__init__()
        self.table, self.inner, self.head = nn.Embedding(10, 4), nn.Linear(4, 4), nn.Linear(4, 10, bias=False)
        if tied:
            self.head.weight = self.table.weight

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.head(self.inner(self.table(ids)))
        return logits


def trained(program: Program) -> set[str]:
    return set(Student.of(program, torch.device("cpu")).weights)


def made(tied: bool) -> Program:
    return program_from_module(Model(tied), {"ids": torch.arange(6).view(2, 3)}, {"ids": {0: "batch"}})


def test_a_head_is_trained() -> None:
    assert trained(made(tied=False)) == {"inner.weight", "inner.bias", "head.weight"}


def test_a_head_that_is_a_table_too_is_not_trained() -> None:
    assert trained(made(tied=True)) == {"inner.weight", "inner.bias"}


def test_all_parameters_but_tables_of_embeddings_are_trained(llama: Case) -> None:
    parameters = {name for name, value in llama.program.tensors().items() if isinstance(value, nn.Parameter)}
    assert parameters - trained(llama.program) == {"model.embed_tokens.weight"}
