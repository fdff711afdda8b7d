"""What the decoder of an encoder-decoder reads beside a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prunec.calibration.batching import Batch, Batches
from prunec.calibration.tokens import DECODER
from prunec.ir.program import Input
from prunec.passbase import Progress

Replier = Callable[[Sequence[Batch], int, Progress], Batches]
"""`reply(batches, seed, progress)`: the batches with the decoder's tokens, and a mask of how many each row has."""


def replies_of(inputs: Sequence[Input], replier: Replier | None) -> tuple[list[Input], Replier | None]:
    """What text has to feed of `inputs`, and what adds the rest; None where there is no rest or nothing adds it."""
    if replier is None or all(item.name != DECODER for item in inputs):
        return list(inputs), None
    return [item for item in inputs if item.name != DECODER], replier
