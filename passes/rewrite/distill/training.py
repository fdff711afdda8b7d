"""The training loop: steps within limits, held-out damage at intervals, the best weights kept."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prunec.calibration.heldout import HeldOut
from prunec.calibration.objective import Objective, flips
from prunec.calibration.tokens import relative_error, token_count
from prunec.ir.program import Program
from prunec.passbase import Progress

from . import checkpoint
from .checkpoint import Checkpoints, Standing
from .limits import Limits, out_of_memory
from .precision import mixed
from .student import Student, outputs_and_streams

MEASUREMENTS = 8
"""How often held-out damage is measured, at equal shares of what is allowed."""
DIVERGED = 3.0
"""Training has diverged where held-out damage is so many times that of the start."""
GENTLER = 8
"""Training that diverges before anything was better begins again, once, at the rate divided by this."""
WARM_UP = 0.1, 100
"""The rate rises over this share of what is allowed, or over so many steps if they are fewer."""
BETAS = 0.9, 0.95
LONGEST_GRADIENT = 1.0
MOMENTS = "exp_avg", "exp_avg_sq"
UNDERIVED = "derivative for", "does not require grad"
"""What torch says where gradients do not come back through an operator."""

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class Course:
    """What is taught, and how.

    Attributes:
        teacher: the dense program, on the student's device.
        text: batches to train on, drawn anew in each epoch.
        held_out: what the best weights are chosen by.
        streams: nodes at which the student's residual stream is to follow the teacher's.
        rate: the highest rate of AdamW.
        hidden: what the error of the streams weighs against the objective's distance.
        weakness: how much more an item counts that the teacher has right and the student wrong.
        halves: whether products take bfloat16, where no checkpoint says so.
        limits: what it may take.
        seed: of the order of the text.
    """

    teacher: Program
    text: Sequence[Batch]
    held_out: HeldOut
    streams: Sequence[str]
    rate: float
    hidden: float
    weakness: float
    halves: bool
    limits: Limits
    seed: int


class Training:
    """Trains a student, and goes on from a checkpoint where there is one.

    After `run`, `best` are the best weights that were measured, on the student's device; those of the start where
    nothing was better. Where it diverges before anything was, it begins again at a lower rate. Rates rise at first and
    fall to zero linearly with the share of the limits that is used up.

    Args:
        student: trained in place.
        course: what it is taught.
        checkpoints: where its standing is kept.
        progress: seconds or steps that are done.
    """

    def __init__(self, student: Student, course: Course, checkpoints: Checkpoints, progress: Progress) -> None:
        self.student, self.course, self.checkpoints, self.progress = student, course, checkpoints, progress
        self.device = next(iter(student.weights.values())).device
        self.optimiser = self._optimiser()
        self.standing = Standing(halves=course.halves)
        self.best = student.values()
        self.saved = 0.0

    def rehearse(self) -> str:
        """Why the student cannot be trained, after one look at gradients; empty where it can. It stays as it is."""
        try:
            self._loss(self.course.text[0]).backward()
        except RuntimeError as error:
            if not isinstance(error, NotImplementedError) and not any(words in str(error) for words in UNDERIVED):
                raise
            return (str(error).strip().splitlines() or [type(error).__name__])[0]
        finally:
            self.optimiser.zero_grad()
        return ""

    def run(self) -> Standing:
        """Train until the limits are up, or until it diverges or memory runs out, with a warning; where it then is."""
        started = time.perf_counter() - self._resume()
        if not self.standing.step:
            self.standing.start = self.standing.best = self._damage()
        try:
            self._train(started)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            self.optimiser.zero_grad()
            self.progress.warn(_cut_short(self.standing, "ran out of memory", "fewer sequences a step take less"))
        return self.standing

    def _train(self, started: float) -> None:
        """Take steps until the limits are up or training diverges."""
        limits, standing = self.course.limits, self.standing
        while (share := limits.share(standing)) < 1:
            loss = self._step(share)
            standing.seconds = time.perf_counter() - started
            diverged = not math.isfinite(loss)
            if not diverged and limits.share(standing) >= (standing.measured + 1) / MEASUREMENTS:
                diverged = not self._measure(limits) <= DIVERGED * standing.start
                standing.seconds = time.perf_counter() - started
            if diverged and self._begins_again():
                continue
            if diverged:
                self.progress.warn(_cut_short(standing, "diverged", "a smaller rate may help"))
                break
            self._keep()
            self._say()

    def _begins_again(self) -> bool:
        """Whether there is another try at a lower rate; if so, all is as at the start, but for what is used up."""
        standing = self.standing
        if standing.rate or standing.best_step:
            return False
        standing.rate = self.course.rate / GENTLER
        self.student.take(self.best)
        self.optimiser = self._optimiser()
        self.progress.note(f"distilling: diverged after {standing.step} steps; goes on at an eighth of the rate")
        return True

    def _optimiser(self) -> torch.optim.Optimizer:
        # Without decay: weights are to stay near where they were good.
        return torch.optim.AdamW(self.student.weights.values(), betas=BETAS, weight_decay=0.0, fused=True)

    def _step(self, share: float) -> float:
        """One step of the optimiser; the loss before it."""
        standing = self.standing
        batch = self._batch(standing.step)
        loss = self._loss(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.student.weights.values(), LONGEST_GRADIENT)
        for group in self.optimiser.param_groups:
            group["lr"] = (standing.rate or self.course.rate) * rate_factor(share, standing.step)
        self.optimiser.step()
        self.optimiser.zero_grad()
        standing.step, standing.tokens = standing.step + 1, standing.tokens + token_count(batch)
        return float(loss.detach())

    def _loss(self, batch: Batch) -> Tensor:
        """What the student is to make smaller: a scalar with gradients."""
        course = self.course
        batch = {name: value.to(self.device) for name, value in batch.items()}
        places = course.streams if course.hidden else ()
        with mixed(self.device, self.standing.halves):
            with torch.no_grad():
                reference, wanted = outputs_and_streams(course.teacher, batch, places)
            outputs, streams = outputs_and_streams(self.student.program, batch, places)
        objective = course.held_out.objective
        weights = item_weights(objective, course.weakness, outputs, reference, batch)
        loss = objective.distance(outputs, reference, batch, weights)
        if streams:
            errors = [relative_error(own, dense, batch) for own, dense in zip(streams, wanted, strict=True)]
            loss = loss + course.hidden * torch.stack(errors).mean()
        return loss

    def _batch(self, step: int) -> Batch:
        """The batch of a step: each epoch has an order of its own, whatever was run before."""
        text = self.course.text
        epoch, place = divmod(step, len(text))
        order = random.Random(f"{self.course.seed} {epoch}").sample(range(len(text)), len(text))
        return text[order[place]]

    def _measure(self, limits: Limits) -> float:
        """Held-out damage now; the weights are kept if none were better."""
        standing = self.standing
        standing.measured = math.floor(limits.share(standing) * MEASUREMENTS)
        damage = self._damage()
        if damage < standing.best:
            standing.best, standing.best_step, self.best = damage, standing.step, self.student.values()
        return damage

    def _damage(self) -> float:
        with mixed(self.device, self.standing.halves):
            return self.course.held_out.damage(self.student.program)

    def _say(self) -> None:
        limits, standing = self.course.limits, self.standing
        by_time = not limits.steps or standing.seconds / limits.seconds > standing.step / limits.steps
        done, total = (standing.seconds, limits.seconds) if by_time else (standing.step, limits.steps or 0)
        self.progress.item("distilling, seconds" if by_time else "distilling, steps", int(done), math.ceil(total))

    def _keep(self) -> None:
        """Write a checkpoint if the last one is old; after one failure never again."""
        if self.standing.seconds - self.saved < checkpoint.EVERY:
            return
        written = self.checkpoints.write(self.standing, self._state())
        self.saved = self.standing.seconds if written else math.inf

    def _state(self) -> dict[str, Tensor]:
        """Weights, moments and best weights by name."""
        state: dict[str, Tensor] = {f"best.{name}": value for name, value in self.best.items()}
        for name, weight in self.student.weights.items():
            state[f"weights.{name}"] = weight.detach()
            state |= {f"{moment}.{name}": self.optimiser.state[weight][moment] for moment in MOMENTS}
        return state

    def _resume(self) -> float:
        """Go to where the checkpoint is, if there is one; the seconds that were spent before."""
        found = self.checkpoints.read()
        if found is None:
            return 0.0
        self.standing, state = found
        self.student.take({name: state[f"weights.{name}"] for name in self.student.weights})
        for name, weight in self.student.weights.items():
            self.best[name].copy_(state[f"best.{name}"])
            moments: dict[str, Any] = {item: state[f"{item}.{name}"].to(self.device) for item in MOMENTS}
            self.optimiser.state[weight] = {
                "step": torch.tensor(float(self.standing.step), device=self.device)
            } | moments
        self.saved = self.standing.seconds
        self.progress.note(f"distilling: goes on after {self.standing.step} steps")
        return self.standing.seconds


def item_weights(
    objective: Objective, weakness: float, outputs: Batch, reference: Batch, batch: Batch
) -> Tensor | None:
    """What each item counts: 1, and `weakness` more where the teacher is right and the student wrong; None if all 1."""
    truth = objective.truth(batch) if weakness else None
    return None if truth is None else 1 + weakness * flips(truth, outputs, reference)


def rate_factor(share: float, step: int) -> float:
    """What the highest rate is multiplied by where `share` of the limits is used up and `step` steps are done."""
    over, steps = WARM_UP
    return min(1.0, max(share / over, (step + 1) / steps)) * (1 - share)


def _cut_short(standing: Standing, how: str, remedy: str) -> str:
    kept = f"the weights after {standing.best_step} are kept" if standing.best_step else "its weights are dropped"
    return f"distillation {how} after {standing.step} steps, and {kept}: {remedy}"
