"""What a frontend hands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from prunec.frontends.stock import Stock
from prunec.frontends.tasks import Task
from prunec.ir.program import Program
from prunec.passbase import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Writer = Callable[[int, int, int, Progress], Tensor]
"""`write(tokens, sequence, seed, progress)`: text of the model's own, token ids `[rows, sequence]`."""


@dataclass(frozen=True)
class Loaded:
    """A traced model and what else is known about it.

    Attributes:
        program: the traced model.
        task: what it is for.
        tokenizer: its tokenizer, where it has one.
        max_sequence: positions the model takes; None if unlimited.
        writer: for generative models, writes calibration text.
        notes: what the user should know.
        stock: what transformers can load of it, where it comes from a folder without code of its own.
    """

    program: Program
    task: Task
    tokenizer: PreTrainedTokenizerBase | None = None
    max_sequence: int | None = None
    writer: Writer | None = None
    notes: tuple[str, ...] = ()
    stock: Stock | None = None
