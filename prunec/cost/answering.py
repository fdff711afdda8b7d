"""An artifact in the place of the program that it was emitted from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from prunec.cost.target import Target
from prunec.ir.past import completed
from prunec.ir.program import Program

Batch = Mapping[str, Tensor]


def answering(target: Target, program: Program, path: Path, scratch: Path) -> Callable[[Batch], Batch]:
    """A function of a program's inputs that runs its artifact at `path`.

    One that gives the last token's logits alone is emitted again with those of all, as a file in `scratch`.
    """
    if target.last_token:
        path = scratch / "all-tokens" / target.filename
        path.parent.mkdir(exist_ok=True)
        target.backend.emit(program, path)
    runner = target.backend.load(path, target.workload)

    def answer(batch: Batch) -> Batch:
        inputs = completed(program, batch)
        found = runner({item.name: inputs[item.name].numpy() for item in program.inputs})
        return {name: torch.from_numpy(value) for name, value in found.items()}

    return answer
