"""`distill`: training of what is left by what the dense program says, kept only where held-out damage falls."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from prunec.calibration.batching import Batch
from prunec.calibration.corpus import Corpus
from prunec.calibration.hashes import content_hash, tensors_hash
from prunec.calibration.heldout import HeldOut
from prunec.calibration.objective import Goal, unknown_truth, with_labels
from prunec.errors import InputError
from prunec.facts import Dense, Distilled, Plan, Structure
from prunec.ir.devices import on_device
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult

from .checkpoint import Checkpoints
from .limits import Limits, memory_free, memory_needed, out_of_memory, usual_rows
from .precision import Device, halves_pay, runs_in_halves, training_device
from .student import Student, surviving_streams, with_values
from .training import Course, Training

MOST_TOKENS = 1_000_000
"""Tokens that are read for training: more than a processor sees in an hour."""
NEGLIGIBLE = 1e-4
"""Damage, in nats or as 1 - cosine, that steps of any useful size would only add to."""


@dataclass(frozen=True)
class DistillPass(Pass):
    """Train the slim program until it says what the dense one says, within a time or so much work.

    The loss is the objective's distance to the dense outputs, such as KL divergence (Hinton et al. 2015, at
    temperature 1), and `hidden` times the relative squared error of the residual stream behind each surviving
    sublayer, a mean over tokens and sublayers. Parameters are trained, by AdamW; tied ones stay tied, buffers stay as
    they are. The text is that of scoring and the rest of its share. Damage on the choosing text is measured at
    intervals: the best weights are kept, and the program stays as it was where nothing is better than that.

    What cannot be trained stays as it is, and a warning says why: there is too little memory for it, or the program has
    an operator without a derivative. Where memory runs out in the middle, the best weights so far are kept.

    An interrupted distillation of the same slim program on the same text goes on from its last checkpoint in the cache
    folder.

    Attributes:
        minutes: how long it may take, measuring included; None leaves that to `steps`.
        steps: how many steps it may take; None leaves that to `minutes`, and where these are None, too, to `WORK` of
            `limits`, some minutes on two cores. Where steps end it, the result is the same from run to run, except on a
            processor on which products in bfloat16 are about `FASTER` of `precision` times as fast: that is timed, and
            may come out either way.
        rate: the highest rate. At 1.5 times the speed of a language model, 1.8e-4 did no better.
        sequences: rows a step, where the text is cut for it; None takes 4, or 2 where 4 leave few steps of the usual
            work (`limits.ENOUGH`). A language model that has 97 steps with 4 lost 4 to 5 % less with 2, in a twelfth
            more time; a sentence encoder that has 400 with 4 lost 4 to 6 % more.
        hidden: what the error of the residual stream weighs. 0 leaves it out: in the same time, weights of 1 and 10 did
            no better on a language model at 1.5 times the speed.
        weakness: how much more an item counts, a token or a labelled text, that the dense program has right and the
            slim one wrong at the time: the bad cases that APT (Rao et al. 2025) collects by a judge, told here by the
            text itself. 0 counts all alike; features have no right and wrong.
        device: where it runs; `auto` takes a GPU where there is one.
    """

    name: ClassVar[str] = "distill"
    needs: ClassVar[tuple[type, ...]] = (Structure, Plan, Dense, Corpus, Goal)
    gives: ClassVar[tuple[type, ...]] = (Distilled,)
    rewrites: ClassVar[bool] = True
    keeps: ClassVar[tuple[type, ...]] = (object,)

    minutes: float | None = None
    steps: int | None = None
    rate: float = 2.5e-4
    sequences: int | None = None
    hidden: float = 0.0
    weakness: float = 0.0
    device: Device = "auto"

    def __post_init__(self) -> None:
        numbers = {"minutes": self.minutes, "steps": self.steps, "rate": self.rate, "sequences": self.sequences}
        for option, value in numbers.items():
            if value is not None and not value > 0:
                raise InputError(f"distill{{{option}={value:g}}} is not positive", "give more than 0")
        for option, value in {"hidden": self.hidden, "weakness": self.weakness}.items():
            if not value >= 0:
                raise InputError(f"distill{{{option}={value:g}}} is negative", "give 0 or more")

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the trained program, or the same one and why.

        Raises:
            InputError: a GPU is asked for, and there is none; `weakness` is, and nothing says what is right.
        """
        device = training_device(self.device)
        if facts[Plan].is_empty():
            return PassResult(program, (), "nothing to distil")
        if reason := _no_room(program, device):
            return _untrained(program, reason, context)
        try:
            return self._trained(program, facts, context, device)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            return _untrained(program, str(error).strip().splitlines()[0], context)

    def _trained(self, program: Program, facts: Facts, context: Context, device: torch.device) -> PassResult:
        """What training on `device` makes of the program; out of memory before it starts is an error of torch."""
        student, teacher = Student.of(program, device), on_device(facts[Dense].program, device)
        held_out = self._held_out(teacher, facts, device)
        before = held_out.damage(student.program)
        if before < NEGLIGIBLE:
            return PassResult(program, (), f"nothing to distil: held-out damage is {before:.2g}")
        course = self._course(teacher, student, held_out, facts, context.seed)
        checkpoints = Checkpoints(self._place(program, course.text, facts[Corpus], context, device), context.progress)
        training = Training(student, course, checkpoints, context.progress)
        if reason := training.rehearse():
            return _untrained(program, reason, context)
        standing = training.run()
        student.take(training.best)
        after = held_out.damage(student.program) if standing.best_step else before
        checkpoints.remove()
        products = " in bfloat16" if standing.halves else ""
        log = f"{standing.step} steps, {standing.tokens:,} tokens{products}: held-out damage"
        fact = Distilled(standing.step, standing.tokens, standing.seconds, before, min(before, after))
        if not after < before:
            return PassResult(program, (fact,), f"{log} stays at {before:.4g}")
        return PassResult(with_values(program, training.best), (fact,), f"{log} {before:.4g} to {after:.4g}")

    def _held_out(self, teacher: Program, facts: Facts, device: torch.device) -> HeldOut:
        """The choosing text on `device`, and what the dense program says of it."""
        choose = [{name: value.to(device) for name, value in batch.items()} for batch in facts[Corpus].choose]
        objective = with_labels(facts[Goal].objective, choose)
        if self.weakness and objective.truth(choose[0]) is None:
            raise unknown_truth(objective)
        return HeldOut.of(teacher, choose, objective)

    def _course(self, teacher: Program, student: Student, held_out: HeldOut, facts: Facts, seed: int) -> Course:
        batch = held_out.batches[0]
        rows = self.sequences or usual_rows(teacher, student.program, batch)
        text = facts[Corpus].training(MOST_TOKENS, rows)
        device = next(iter(batch.values())).device
        return Course(
            teacher,
            text,
            held_out,
            surviving_streams(facts[Structure], facts[Plan]) if self.hidden else (),
            rate=self.rate,
            hidden=self.hidden,
            weakness=self.weakness,
            halves=halves_pay(device) and runs_in_halves(student.program, batch),
            limits=Limits.of(self.minutes, self.steps, teacher, student.program, text[0]),
            seed=seed,
        )

    def _place(
        self, program: Program, text: Sequence[Batch], corpus: Corpus, context: Context, device: torch.device
    ) -> Path:
        """The checkpoint's file: its name says of what it is, the slim program's numbers included."""
        parts = [content_hash(program), corpus.data_hash, tensors_hash(text)]
        parts += [repr(self), device.type, str(context.seed)]
        return context.cache / "distill" / f"{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:24]}.safetensors"


def _no_room(slim: Program, device: torch.device) -> str:
    """Why there is too little memory to train `slim`; empty where there is enough."""
    needed, free = memory_needed(slim), memory_free(device)
    return f"that takes {needed / 1e9:.3g} GB of memory, and {free / 1e9:.3g} are free" if needed > free else ""


def _untrained(program: Program, reason: str, context: Context) -> PassResult:
    """The program as it is, and why it stays so."""
    context.progress.warn(f"the slim model is not trained, and stays as it was re-fitted: {reason}")
    return PassResult(program, (), f"not trained: {reason}")
