"""What a frontend hands on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from prunec.calibration.replies import Replier
from prunec.frontends.stock import Stock
from prunec.frontends.tasks import Task
from prunec.ir.program import Program
from prunec.passbase import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Writer = Callable[[int, int, int, Progress], Tensor]
"""`write(tokens, sequence, seed, progress)`: text of the model's own, token ids `[rows, sequence]`."""
ImageReader = Callable[[Sequence[Path]], Sequence[Mapping[str, Tensor]]]
"""`read(files)`: a batch for each image, of one row."""


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
        replier: for encoder-decoders, says what the decoder reads beside a text.
        images: reads image files as the model's preprocessor does, where it has one.
    """

    program: Program
    task: Task
    tokenizer: PreTrainedTokenizerBase | None = None
    max_sequence: int | None = None
    writer: Writer | None = None
    notes: tuple[str, ...] = ()
    stock: Stock | None = None
    replier: Replier | None = None
    images: ImageReader | None = None
