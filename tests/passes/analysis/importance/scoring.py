"""Running the importance pass, and reading inner values off transformers' modules."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from prunec.facts import Scores
from prunec.passbase import Context
from prunec.passes.analysis.importance import ImportancePass
from tests.passes.cases import Batch, Case

NEURONS = "model.layers.1.mlp.down_proj"
GROUPS = "model.layers.1.self_attn.o_proj"


def scores(case: Case, criterion: str, context: Context) -> Mapping[str, np.ndarray]:
    """The scores of every family."""
    return scored(case, criterion, context).units


def scored(case: Case, criterion: str, context: Context) -> Scores:
    """The whole fact."""
    facts = ImportancePass(criterion).run(case.program, case.facts(), context).facts
    (found,) = [fact for fact in facts if isinstance(fact, Scores)]
    return found


def rows(batches: tuple[Batch, ...]) -> list[Batch]:
    """Every sequence alone, without padding."""
    return [
        {name: value[index : index + 1, batch["attention_mask"][index].bool()] for name, value in batch.items()}
        for batch in batches
        for index in range(len(batch["input_ids"]))
    ]


def projected(module: PreTrainedModel, name: str, row: Batch) -> tuple[Tensor, Tensor]:
    """What the projection `name` reads, `[tokens, features]`, and the gradient of the summed cross-entropy by it."""
    seen: list[Tensor] = []

    def keep(_: torch.nn.Module, arguments: tuple[Tensor, ...]) -> None:
        arguments[0].retain_grad()
        seen.append(arguments[0])

    hook = module.get_submodule(name).register_forward_pre_hook(keep)
    logits = module(**row, use_cache=False).logits
    hook.remove()
    torch.nn.functional.cross_entropy(logits[0, :-1], row["input_ids"][0, 1:], reduction="sum").backward()
    assert seen[0].grad is not None
    return seen[0].detach()[0].double(), seen[0].grad[0].double()


def read_by(module: PreTrainedModel, name: str, batches: tuple[Batch, ...]) -> Tensor:
    """What the projection `name` reads over the whole text, `[tokens, features]`."""
    return torch.cat([projected(module, name, row)[0] for row in rows(batches)])


def mask_gradients(module: PreTrainedModel, name: str, units: int, batches: tuple[Batch, ...]) -> Tensor:
    """dL/dm of every unit's mask, one line a sequence: `[sequences, units]`."""
    pairs = [projected(module, name, row) for row in rows(batches)]
    return torch.stack([(read * gradient).sum(0).view(units, -1).sum(1) for read, gradient in pairs])
