"""What a program and its artifact say to the same requests, and how far they are apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch

from prunec.cost.measure import workload_inputs
from prunec.cost.timer import Arrays
from prunec.cost.workload import Workload
from prunec.ir.past import handed_on
from prunec.ir.precision import in_double
from prunec.ir.program import Program

Answerer = Callable[[Arrays], Arrays]

UNSURE = 4.0
"""How many times as far from exact numbers as the program an artifact may be."""


def numbers(program: Program) -> Answerer:
    """`program` on arrays, whatever precision it computes in."""
    types = {item.name: item.dtype for item in program.inputs}

    def answer(arrays: Arrays) -> Arrays:
        with torch.no_grad():
            outputs = program({name: torch.from_numpy(array).to(types[name]) for name, array in arrays.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    return answer


def answers(
    program: Program, work: Workload, seed: int, first: Answerer, second: Answerer
) -> Iterator[tuple[Arrays, Arrays]]:
    """What two that take what `program` takes say to a request of another shape than `work`; and to the next.

    With a cache, each goes on from the one that it handed on itself.
    """
    prompt = replace(work, batch=work.batch + 1, sequence=max(2, work.tokens // 3), past=0)
    steps = [prompt, replace(prompt, sequence=1, past=prompt.sequence)]
    theirs, ours = dict[str, np.ndarray](), dict[str, np.ndarray]()
    for step in steps if program.caches else steps[:1]:
        arrays = workload_inputs(program, step, seed=seed)
        expected, got = first({**arrays, **theirs}), second({**arrays, **ours})
        yield expected, got
        theirs, ours = handed_on(program, expected), handed_on(program, got)


def difference(pairs: Iterable[tuple[Arrays, Arrays]]) -> float:
    """The largest of any output, relative to the largest output of the first (at least 1)."""
    errors = list[float]()
    for expected, got in pairs:
        scale = max(1.0, *(float(np.abs(value).max()) for value in expected.values()))
        errors.extend(float(np.abs(got[name] - value).max()) / scale for name, value in expected.items())
    return float(np.max(errors))  # of NaN and a number it is NaN, unlike Python's own


def as_sure(program: Program, written: Program, artifact: Answerer, work: Workload, seed: int) -> bool:
    """Whether `artifact` is about as near to exact numbers as `written` is, what it was made from of `program`.

    Of some programs, such as those of which little is left, rounding alone moves the outputs by much.
    """
    exact = numbers(in_double(written))
    theirs, ours = (difference(answers(program, work, seed, exact, other)) for other in (artifact, numbers(written)))
    return theirs <= UNSURE * ours
