"""Images as batches, made when they are asked for, with what a classifier should say of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from prunec.calibration.batching import Batch
from prunec.calibration.labels import LABELS
from prunec.errors import InputError


@dataclass(frozen=True)
class Pictures(Sequence[Batch]):
    """Files of images as batches of `rows`, the last one of what is left: of many, not all fit into memory.

    Attributes:
        files: an image each.
        rows: images in a batch.
        make: the batch of some files.
        answers: the label of each file, a place among a classifier's outputs; empty where they are not known.
    """

    files: Sequence[Path]
    rows: int
    make: Callable[[Sequence[Path]], Batch]
    answers: Sequence[int] = ()

    def __len__(self) -> int:
        return -(-len(self.files) // self.rows)

    def __getitem__(self, place: Any) -> Any:
        """The batch at `place`, a number from 0."""
        if not 0 <= place < len(self):
            raise IndexError(place)
        here = slice(place * self.rows, (place + 1) * self.rows)
        labels = {LABELS: torch.tensor(self.answers[here])} if self.answers else {}
        return {**self.make(self.files[here]), **labels}


def folder_labels(files: Sequence[Path], names: Sequence[str]) -> list[int]:
    """The label of each file that is in a folder of its label's name, as a place among `names`.

    Empty where no folder is called like a label.

    Raises:
        InputError: some folders are called like labels, and others are not.
    """
    places = [names.index(file.parent.name) if file.parent.name in names else -1 for file in files]
    if all(place < 0 for place in places):
        return []
    other = next((file.parent for file, place in zip(files, places, strict=True) if place < 0), None)
    if other is not None:
        raise InputError(
            f"images are in folders of the model's labels, and {other} is none of these",
            f"call it like its label, or leave it out; the labels are {', '.join(names)}",
        )
    return places
