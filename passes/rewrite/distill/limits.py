"""What training may take: a time, or a number of steps, by default as many as a fixed amount of work."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import psutil
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from prunec.ir.program import Program

from .checkpoint import Standing

WORK = 4e13
"""Multiplications of the usual training: eight minutes on two cores that multiply in bfloat16."""
FEWEST, MOST = 50, 400
"""Steps that it has in any case, and at the most: rates must rise and fall, and a small compile is to stay one."""
ROWS = 4, 2
"""Sequences a step; the second where the first leaves fewer than `ENOUGH` steps of the usual work."""
ENOUGH = 200
BACK = 3
"""What a step of the student takes, in multiples of a run of it: there, and back through inputs and weights."""
COPIES = 5
"""What training holds, in multiples of the weights: these, gradients, two moments and the best so far."""
HEADROOM = 1.25
"""What activations take beside them, as a factor."""
NO_ROOM = "not enough memory", "can't allocate memory"
"""What torch says on a processor where there is too little memory: it has an error of its own for GPUs alone."""


@dataclass(frozen=True)
class Limits:
    """What training may take: `seconds` in all, and `steps` if not None; whichever is up first."""

    seconds: float
    steps: int | None

    @staticmethod
    def of(
        minutes: float | None, steps: int | None, teacher: Program, student: Program, batch: Mapping[str, Tensor]
    ) -> Limits:
        """What is asked for; where nothing is, as many steps as `WORK` has room for."""
        if minutes is None and steps is None:
            steps = min(MOST, max(FEWEST, round(WORK / _work(teacher, student, batch))))
        return Limits(math.inf if minutes is None else 60 * minutes, steps)

    def share(self, standing: Standing) -> float:
        """How much of them is used up: 1 or more where training is over."""
        return max(standing.seconds / self.seconds, standing.step / self.steps if self.steps else 0.0)


def usual_rows(teacher: Program, student: Program, batch: Mapping[str, Tensor]) -> int:
    """How many sequences such as those of `batch` a step takes, where nothing is asked for."""
    many, few = ROWS
    one = _work(teacher, student, batch) / len(next(iter(batch.values())))
    return many if WORK / (many * one) >= ENOUGH else few


def memory_needed(slim: Program) -> float:
    """Bytes that training `slim` takes beside what is there, roughly."""
    return HEADROOM * COPIES * 4 * slim.parameter_count()


def memory_free(device: torch.device) -> float:
    """Bytes that `device` has free."""
    return float(torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available)


def out_of_memory(error: RuntimeError) -> bool:
    """Whether `error` says that there is too little memory."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in NO_ROOM)


def _work(teacher: Program, student: Program, batch: Mapping[str, Tensor]) -> float:
    """Multiplications of a step with `batch`, one at least."""
    return max(1.0, _multiplications(teacher, batch) + BACK * _multiplications(student, batch))


def _multiplications(program: Program, batch: Mapping[str, Tensor]) -> float:
    device = next(iter(program.tensors().values())).device
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        program({name: value.to(device) for name, value in batch.items()})
    return float(counter.get_total_flops()) / 2
