"""Where training runs, and whether its matrix products take bfloat16."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Literal

import torch
from torch import Tensor

from prunec.errors import InputError
from prunec.ir.program import Program

Device = Literal["auto", "cpu", "cuda"]
FASTER = 1.3
"""How many times faster products must be in bfloat16 before its rounding is worth it."""
SIZE = 768
"""Of the product that is timed: large enough for the kernel to show, a few milliseconds in all."""


def training_device(asked: Device) -> torch.device:
    """The device that is `asked` for; a GPU, where there is one, for `auto`.

    Raises:
        InputError: a GPU is asked for and there is none.
    """
    if asked == "cuda" and not torch.cuda.is_available():
        raise InputError("distillation on a GPU is asked for, and torch finds none", "write device=auto or device=cpu")
    return torch.device("cuda" if asked != "cpu" and torch.cuda.is_available() else "cpu")


def halves_pay(device: torch.device) -> bool:
    """Whether products in bfloat16 are worth their rounding: asked of a GPU, timed on a processor."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    single = torch.ones(SIZE, SIZE)
    half = single.bfloat16()
    return _shortest(lambda: single @ single) > FASTER * _shortest(lambda: half @ half)


def runs_in_halves(program: Program, batch: Mapping[str, Tensor]) -> bool:
    """Whether `program` runs with products in bfloat16 at all, and gives numbers: not every graph can mix types."""
    try:
        with torch.no_grad(), mixed(batch[program.inputs[0].name].device, True):
            outputs = program(batch)
    except RuntimeError:
        return False
    return all(bool(torch.isfinite(value).all()) for value in outputs.values())


def mixed(device: torch.device, halves: bool) -> AbstractContextManager[object]:
    """A context in which products take bfloat16 if `halves`; weights and sums stay in single precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=halves)


def _shortest(work: Callable[[], object], times: int = 5) -> float:
    """Seconds of the fastest run, the first left out: it may still choose a kernel."""
    work()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
