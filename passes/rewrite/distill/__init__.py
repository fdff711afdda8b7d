"""`distill`: training of what is left by what the dense program says, kept only where held-out damage falls."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

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
from .precision import Device, halves_pay, runs_in_halves, training_device
from .student import Student, surviving_streams, with_values
from .training import Course, Limits, Training

MOST_TOKENS = 1_000_000
"""Tokens that are read for training: more than a processor sees in an hour."""
NEGLIGIBLE = 1e-4
"""Damage, in nats or as 1 - cosine, that steps of any useful size would only add to."""


@dataclass(frozen=True)
class DistillPass(Pass):
    """Train the slim program until it says what the dense one says, within a time.

    The loss is the objective's distance to the dense outputs, such as KL divergence (Hinton et al. 2015, at
    temperature 1), and `hidden` times the relative squared error of the residual stream behind each surviving
    sublayer, a mean over tokens and sublayers. Parameters are trained, by AdamW; tied ones stay tied, buffers stay as
    they are. The text is that of scoring and the rest of its share. Damage on the choosing text is measured at
    intervals: the best weights are kept, and the program stays as it was where nothing is better than that.

    An interrupted distillation of the same slim program on the same text goes on from its last checkpoint in the cache
    folder.

    Attributes:
        minutes: how long it may take, measuring included.
        steps: how many steps it may take; None leaves that to `minutes`. Where they end it, the result is the same from
            run to run.
        rate: the highest rate.
        sequences: rows a step, where the text is cut for it.
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

    minutes: float = 4.0
    steps: int | None = None
    rate: float = 2.5e-4
    sequences: int = 4
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
        corpus, device = facts[Corpus], training_device(self.device)
        if facts[Plan].is_empty():
            return PassResult(program, (), "nothing to distil")
        student, teacher = Student.of(program, device), on_device(facts[Dense].program, device)
        choose = [{name: value.to(device) for name, value in batch.items()} for batch in corpus.choose]
        objective = with_labels(facts[Goal].objective, choose)
        if self.weakness and objective.truth(choose[0]) is None:
            raise unknown_truth(objective)
        held_out = HeldOut.of(teacher, choose, objective)
        before = held_out.damage(student.program)
        if before < NEGLIGIBLE:
            return PassResult(program, (), f"nothing to distil: held-out damage is {before:.2g}")
        text = corpus.training(MOST_TOKENS, self.sequences)
        halves = halves_pay(device) and runs_in_halves(student.program, choose[0])
        course = self._course(teacher, text, held_out, facts, halves, context.seed)
        checkpoints = Checkpoints(self._place(program, text, corpus, context), context.progress)
        training = Training(student, course, checkpoints, context.progress)
        standing = training.run()
        student.take(training.best)
        after = held_out.damage(student.program) if standing.best_step else before
        checkpoints.remove()
        log = f"{standing.step} steps, {standing.tokens:,} tokens{' in bfloat16' if halves else ''}: held-out damage"
        fact = Distilled(standing.step, standing.tokens, standing.seconds, before, min(before, after))
        if not after < before:
            return PassResult(program, (fact,), f"{log} stays at {before:.4g}")
        return PassResult(with_values(program, training.best), (fact,), f"{log} {before:.4g} to {after:.4g}")

    def _course(
        self, teacher: Program, text: Sequence[Batch], held_out: HeldOut, facts: Facts, halves: bool, seed: int
    ) -> Course:
        return Course(
            teacher,
            text,
            held_out,
            surviving_streams(facts[Structure], facts[Plan]) if self.hidden else (),
            rate=self.rate,
            hidden=self.hidden,
            weakness=self.weakness,
            halves=halves,
            limits=Limits(60 * self.minutes, self.steps),
            seed=seed,
        )

    def _place(self, program: Program, text: Sequence[Batch], corpus: Corpus, context: Context) -> Path:
        """The checkpoint's file: its name says of what it is, the slim program's numbers included."""
        parts = [content_hash(program), corpus.data_hash, tensors_hash(text)]
        parts += [repr(self), str(context.seed)]
        return context.cache / "distill" / f"{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:24]}.safetensors"
