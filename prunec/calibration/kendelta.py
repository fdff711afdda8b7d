"""What stays of a fine-tuning, apart from the model that it began with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prunec.calibration.checkpoint import NO_BASE, counterpart, require_shape
from prunec.calibration.hashes import tensors_hash
from prunec.calibration.rowrule import RowRule
from prunec.calibration.rowselection import is_matrix, rows_of
from prunec.errors import InputError
from prunec.passbase import Progress


@dataclass(frozen=True)
class Patch:
    """Entries of one tensor that are not the base's.

    Attributes:
        shape: of the tensor.
        positions: `[n]`, ascending: entries of the tensor seen flat.
        values: `[n]`, in the type of the tensor.
    """

    shape: tuple[int, ...]
    positions: np.ndarray
    values: Tensor

    @property
    def size(self) -> int:
        """Entries of the tensor."""
        return math.prod(self.shape)

    def on(self, before: Tensor) -> Tensor:
        """A copy of the base's tensor with the values in it."""
        return before.clone().put_(torch.from_numpy(self.positions), self.values)


@dataclass(frozen=True)
class KenDelta:
    """What stays of a fine-tuning, entry by entry; Mastromattei and Zanzotto 2024, "Less is KEN".

    Attributes:
        rule: how entries were chosen.
        base: hash of the base's tensors that are patched, under the tuned model's names.
        source: the name of the base's folder, without where it lay: the file goes to other machines.
        names: by the tuned model's names, the base's, of every tensor that both have.
        patches: by the tuned model's names, of the tensors that both have.
        whole: by name, the tensors that the tuned model alone has, such as those of a classifier.
        files: by name, the text and other data of the tuned model's folder: config and tokenizer.
    """

    rule: RowRule
    base: str
    source: str
    names: Mapping[str, str]
    patches: Mapping[str, Patch]
    whole: Mapping[str, Tensor]
    files: Mapping[str, bytes]

    def restored(self, base: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
        """The tuned model's tensors: the values that stayed, and the base's, bit by bit.

        Args:
            base: the base's tensors, under its own names. None is changed.
            where: says whose tensors they are, for errors.

        Raises:
            InputError: they are those of another model.
        """
        self.require_base(base, where)
        return {name: patch.on(base[self.names[name]]) for name, patch in self.patches.items()} | dict(self.whole)

    def kept(self, name: str) -> np.ndarray | None:
        """Which entries of the tuned model's tensor `name` are not the base's, of booleans in its shape.

        None for tensors of one axis, which stay whole, and for those that the tuned model does not hold.
        """
        if (place := counterpart(name, self.patches)) is not None:
            patch = self.patches[place]
            stays = np.zeros(patch.size, dtype=bool)
            stays[patch.positions] = True
            return stays.reshape(patch.shape) if len(patch.shape) > 1 else None
        if (place := counterpart(name, self.whole)) is not None and self.whole[place].dim() > 1:
            return np.ones(tuple(self.whole[place].shape), dtype=bool)
        return None

    def require_base(self, base: Mapping[str, Tensor], where: str) -> None:
        """Make sure that this is a delta of `base`; the arguments and errors are those of `restored`."""
        lacking = next((name for name in self.names.values() if name not in base), None)
        if lacking is not None:
            raise InputError(f"{where} holds no {lacking}", f"name the base that the delta is of ({self.source})")
        found = base_hash(base, self.names)
        if found != self.base:
            raise InputError(
                f"{where} is not the base of this delta: its hash is {found[:12]}, not {self.base[:12]}",
                f"name the base that the delta is of ({self.source})",
            )


class _Renamed(Mapping[str, Tensor]):
    """A mapping's tensors under other names, each taken when it is asked for."""

    def __init__(self, tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> None:
        self.tensors, self.names = tensors, names

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[self.names[name]].cpu()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def base_hash(base: Mapping[str, Tensor], names: Mapping[str, str]) -> str:
    """The hash of the base's tensors that `names` lists, under the names that it gives them."""
    return tensors_hash([_Renamed(base, names)])


def derive(
    tuned: Mapping[str, Tensor],
    base: Mapping[str, Tensor],
    rule: RowRule,
    source: Path,
    files: Mapping[str, bytes],
    seed: int,
    progress: Progress,
) -> tuple[KenDelta, int]:
    """What stays of `tuned` by `rule`, and how many entries of both models' tensors that is.

    A matrix is chosen from row by row (`rowselection.rows_of`). Tensors of one axis, biases and norms, stay as they
    were tuned, as do those that are no floating-point numbers: they are few, and as published each would be one row.
    Entries that stay and are bit by bit what they were before need no place in the delta.

    Raises:
        InputError: the models have no tensor in common, one differs in shape or type, or a matrix holds numbers that
            are not finite; it is named.
    """
    names = {name: place for name in tuned if (place := counterpart(name, base)) is not None}
    if not names:
        raise InputError(f"{source} holds no tensor of the tuned model", NO_BASE)
    patches, stayed = dict[str, Patch](), 0
    for number, (name, place) in enumerate(names.items()):
        after, before = tuned[name], base[place]
        require_shape(before, after, f"{place} in {source}", name)
        if before.dtype != after.dtype:
            raise InputError(
                f"{place} in {source} is {_type(before)}, and {name} is {_type(after)}", "save both models in one type"
            )
        stays = _stays(name, after, before, rule, seed + number)
        stayed += int(stays.sum())
        positions = np.flatnonzero(stays & _changed(after, before)).astype(np.int64)
        patches[name] = Patch(tuple(after.shape), positions, after.take(torch.from_numpy(positions)))
        progress.item("choosing entries", number + 1, len(names))
    whole = {name: tuned[name] for name in tuned if name not in names}
    return KenDelta(rule, base_hash(base, names), source.resolve().name, names, patches, whole, files), stayed


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _stays(name: str, after: Tensor, before: Tensor, rule: RowRule, seed: int) -> np.ndarray:
    """Which entries of the tensor seen flat stay as they were tuned: `[n]` of booleans."""
    if not is_matrix(after):
        return np.ones(after.numel(), dtype=bool)
    rows = rows_of(after.double() - before.double() if rule.mode == "delta" else after)
    if not np.isfinite(rows).all():
        raise InputError(f"{name} holds numbers that are not finite", "check the checkpoint")
    stays = np.zeros(rows.shape, dtype=bool)
    np.put_along_axis(stays, rule.chosen(rows, seed).astype(np.int64), True, axis=1)
    return stays.reshape(-1)


def _changed(after: Tensor, before: Tensor) -> np.ndarray:
    """Which entries differ in any bit: `[n]` of booleans."""
    bytewise = after.numel(), after.element_size()
    one, other = (tensor.contiguous().reshape(-1).view(torch.uint8).view(bytewise) for tensor in (after, before))
    changed: np.ndarray = (one != other).any(1).numpy()
    return changed
