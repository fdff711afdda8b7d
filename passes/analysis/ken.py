"""`ken`: which entries of every row of the weight matrices stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch import Tensor

from prunec.calibration.checkpoint import NO_BASE, Checkpoint, counterpart, require_shape
from prunec.calibration.rowrule import Mode, RowRule
from prunec.calibration.rowselection import is_matrix, rows_of
from prunec.errors import InputError, PassError
from prunec.facts import RowSelection
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class KenPass(Pass):
    """Choose the entries of every row that stay, by density, change, size or chance.

    Mastromattei and Zanzotto 2024 ("Less is KEN") reset the others to what they were before fine-tuning: the dense
    size and the latency stay as they are. `faithful` chooses as their released code does, which never looks at what
    fine-tuning changed; `delta` (ours) keeps the entries whose change is rarest in its row, by the density of the
    changes; `magnitude` and `random` are what both are measured against. Ours departs from the released code in that
    entries are counted by index and not by value, that the last tensor is not left out, and that tensors of one axis
    are. Matrices that share their numbers are chosen alike, under each of their names.

    Attributes:
        mode: how entries are chosen.
        keep: the share of each row that stays, one entry at least; half of it where neither this nor `rows` is given.
        rows: entries that stay of each row, as far as it has as many, in the place of `keep`.
        base: for `delta`, the folder of the model before fine-tuning, in safetensors. Matrices that it lacks, such as
            those of a new classifier, are left out.
    """

    name: ClassVar[str] = "ken"
    gives: ClassVar[tuple[type, ...]] = (RowSelection,)

    mode: Mode = "faithful"
    keep: float | None = None
    rows: int | None = None
    base: Path | None = None

    def __post_init__(self) -> None:
        RowRule(self.mode, self.keep, self.rows)
        if self.mode == "delta" and self.base is None:
            raise InputError("ken{delta} compares with a base model, and none is given", f"{NO_BASE}: base=FOLDER")
        if self.mode != "delta" and self.base is not None:
            raise InputError(f"ken{{{self.mode}}} looks at no base model", "write mode=delta, or leave out base")
        if self.base is not None:
            Checkpoint.of(self.base)

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Choose in every matrix.

        Raises:
            InputError: the base model holds a matrix in another shape, or none of this model's.
            PassError: a matrix holds numbers that are not finite.
        """
        matrices = {name: tensor.detach() for name, tensor in program.tensors().items() if is_matrix(tensor)}
        rule, kept = RowRule(self.mode, self.keep, self.rows), dict[str, np.ndarray]()
        for number, (name, values) in enumerate(self._values(matrices)):
            if not np.isfinite(values).all():
                raise PassError(f"{name} holds numbers that are not finite", "check the checkpoint")
            kept[name] = rule.chosen(values, context.seed + number)
            context.progress.item("choosing entries", number + 1, len(matrices))
        stay, total = sum(item.size for item in kept.values()), sum(matrices[name].numel() for name in kept)
        left_out = f", {len(matrices) - len(kept)} that the base model lacks left out" * (len(kept) < len(matrices))
        log = f"{self.mode}: {stay:,} of {total:,} entries of {len(kept)} matrices stay{left_out}"
        return PassResult(program, (RowSelection(self.mode, kept),), log)

    def _values(self, matrices: Mapping[str, Tensor]) -> Iterator[tuple[str, np.ndarray]]:
        """What each matrix is chosen by, row by row: its weights, or what fine-tuning changed in them."""
        if self.base is None:
            yield from ((name, rows_of(tensor)) for name, tensor in matrices.items())
            return
        base = Checkpoint.of(self.base)
        found = {name: place for name in matrices if (place := counterpart(name, base)) is not None}
        if not found:
            raise InputError(f"{self.base} holds no matrix of this model", NO_BASE)
        for name, place in found.items():
            before = base[place]
            require_shape(before, matrices[name], f"{place} in {self.base}", name)
            yield name, rows_of(matrices[name].double() - before.double())
