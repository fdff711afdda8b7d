"""`ken`: which entries of every row of the weight matrices stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from safetensors import SafetensorError, safe_open
from torch import Tensor

from prunec.calibration.rowselection import KEPT, by_density_grid, drawn, entries, is_matrix, largest, rarest, rows_of
from prunec.errors import InputError, PassError
from prunec.facts import RowSelection
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

NO_BASE = "name the folder of the model that this one was fine-tuned from"


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
        keep: the share of each row that stays, one entry at least.
        rows: entries that stay of each row, as far as it has as many, in the place of `keep`.
        base: for `delta`, the folder of the model before fine-tuning, in safetensors. Matrices that it lacks, such as
            those of a new classifier, are left out.
    """

    name: ClassVar[str] = "ken"
    gives: ClassVar[tuple[type, ...]] = (RowSelection,)

    mode: Literal["faithful", "delta", "magnitude", "random"] = "faithful"
    keep: float = KEPT
    rows: int | None = None
    base: Path | None = None

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise InputError(f"keep {self.keep:g} is not a share of a row", "give more than 0 and 1 at most")
        if self.rows is not None and self.rows < 1:
            raise InputError(f"{self.rows} entries of a row cannot stay", "give rows of 1 or more")
        if self.mode == "delta" and self.base is None:
            raise InputError("ken{delta} compares with a base model, and none is given", f"{NO_BASE}: base=FOLDER")
        if self.mode != "delta" and self.base is not None:
            raise InputError(f"ken{{{self.mode}}} looks at no base model", "write mode=delta, or leave out base")
        if self.base is not None:
            _places(self.base)

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Choose in every matrix.

        Raises:
            InputError: the base model holds a matrix in another shape, or none of this model's.
            PassError: a matrix holds numbers that are not finite.
        """
        matrices = {name: tensor.detach() for name, tensor in program.tensors().items() if is_matrix(tensor)}
        kept: dict[str, np.ndarray] = {}
        for number, (name, values) in enumerate(self._values(matrices)):
            if not np.isfinite(values).all():
                raise PassError(f"{name} holds numbers that are not finite", "check the checkpoint")
            kept[name] = self._chosen(values, context.seed + number)
            context.progress.item("choosing entries", number + 1, len(matrices))
        stay, total = sum(item.size for item in kept.values()), sum(matrices[name].numel() for name in kept)
        left_out = f", {len(matrices) - len(kept)} that the base model lacks left out" * (len(kept) < len(matrices))
        log = f"{self.mode}: {stay:,} of {total:,} entries of {len(kept)} matrices stay{left_out}"
        return PassResult(program, (RowSelection(self.mode, kept),), log)

    def _chosen(self, values: np.ndarray, seed: int) -> np.ndarray:
        length = values.shape[1]
        count = entries(length, self.keep) if self.rows is None else min(self.rows, length)
        if self.mode == "random":
            return drawn(values, count, seed)
        choose = {"faithful": by_density_grid, "delta": rarest, "magnitude": largest}[self.mode]
        return choose(values, count)

    def _values(self, matrices: Mapping[str, Tensor]) -> Iterator[tuple[str, np.ndarray]]:
        """What each matrix is chosen by, row by row: its weights, or what fine-tuning changed in them."""
        if self.base is None:
            yield from ((name, rows_of(tensor)) for name, tensor in matrices.items())
            return
        places = _places(self.base)
        found = {name: place for name in matrices if (place := _counterpart(name, places)) is not None}
        if not found:
            raise InputError(f"{self.base} holds no matrix of this model", NO_BASE)
        for name, place in found.items():
            before = _read(places[place], place)
            if before.shape != matrices[name].shape:
                held, wanted = list(before.shape), list(matrices[name].shape)
                raise InputError(f"{place} in {self.base} is {held}, and {name} is {wanted}", NO_BASE)
            yield name, rows_of(matrices[name].double() - before.double())


def _places(folder: Path) -> dict[str, Path]:
    """The file of each tensor in the safetensors files of `folder`.

    Raises:
        InputError: there are none, or one cannot be read.
    """
    places: dict[str, Path] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                places |= dict.fromkeys(file.keys(), path)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} cannot be read ({error})", "copy or download the base model again") from error
    if not places:
        raise InputError(f"there are no safetensors weights in {folder}", NO_BASE)
    return places


def _read(path: Path, name: str) -> Tensor:
    with safe_open(path, framework="pt") as file:
        tensor: Tensor = file.get_tensor(name)
    return tensor


def _counterpart(name: str, names: Mapping[str, Path]) -> str | None:
    """The base model's name for `name`: the same, or the only one that has more or less in front of it."""
    if name in names:
        return name
    near = [other for other in names if other.endswith(f".{name}") or name.endswith(f".{other}")]
    return near[0] if len(near) == 1 else None
