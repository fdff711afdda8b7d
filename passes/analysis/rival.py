"""`rival`: the dense program in eight bits, nothing removed, as an artifact to compare with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal, with_labels
from prunec.calibration.quality import quality_of
from prunec.calibration.rounding import Rounding, rounder, rounding, to_refine
from prunec.cost.answering import answering
from prunec.cost.measure import Timing, interleaved, paired_ratio, workload_inputs
from prunec.cost.numerics import BLOCK, Numerics, configured, int8_steps
from prunec.cost.target import Artifact, Baseline, Rival, Target
from prunec.errors import InputError
from prunec.facts import Dense, Plan
from prunec.ir.program import Program
from prunec.ir.scaling import scaled
from prunec.passbase import Context, Facts, Pass, PassResult

DTYPE = "int8"


@dataclass(frozen=True)
class RivalPass(Pass):
    """Emit the dense program in int8, time it beside the dense and the slim artifact, and measure its loss.

    What quantisation gives by itself is what removal has to beat. It is made as `--dtype int8` makes it: features
    scaled, the products that lose most rounded less. Where the backend knows no int8 there is nothing to compare with,
    and where nothing was removed in int8 the artifact is the same.

    Attributes:
        seconds: how long the three are timed, in turn.
    """

    name: ClassVar[str] = "rival"
    needs: ClassVar[tuple[type, ...]] = (Dense, Target, Baseline, Artifact, Corpus, Goal)
    reads: ClassVar[tuple[type, ...]] = (Plan, Rounding)
    gives: ClassVar[tuple[type, ...]] = (Rival,)

    seconds: float = 4.0

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the rival."""
        target, plan = facts[Target], facts.get(Plan)
        if target.numerics.dtype == DTYPE and plan is not None and plan.is_empty():
            return PassResult(program, (), f"the artifact is the dense model in {DTYPE} itself")
        try:
            configured(target.plain, Numerics(DTYPE, target.numerics.device))
        except InputError as error:
            return PassResult(program, (), f"there is none: {error.what}")
        try:
            found = self._made(program, facts, context)
        except Exception as error:  # Others' tools raise what they like, and nobody asked for this file.
            why = f"{type(error).__name__}: {error}"
            context.progress.warn(f"the dense model in {DTYPE} could not be made to compare with ({why})")
            return PassResult(program, (), f"there is none: {why}")
        ratio, quality = paired_ratio(found.dense, found.latency), found.quality
        log = f"{ratio:.2f}x over the dense artifact, {quality.slim:.4f} after {quality.dense:.4f}"
        return PassResult(program, (found,), log)

    def _made(self, program: Program, facts: Facts, context: Context) -> Rival:
        context.progress.item(f"emitting the dense model in {DTYPE}", 0, 3)
        dense, rival, path = self._emit(facts, context)
        context.progress.item("timing the three by turns", 1, 3)
        timings = self._timed(program, path, rival, facts, context)
        objective = with_labels(facts[Goal].objective, facts[Corpus].report)
        answer = answering(rival, dense, path, context.scratch)
        quality = quality_of(answer, facts[Dense].program, facts[Corpus], objective, context.progress)
        size = sum(file.stat().st_size for file in path.parent.iterdir())
        return Rival(DTYPE, size, timings["rival"], timings["dense"], timings["slim"], quality)

    def _emit(self, facts: Facts, context: Context) -> tuple[Program, Target, Path]:
        """The dense program made ready for rounding, the target that it is emitted for, and where it was."""
        target, program = facts[Target], facts[Dense].program
        known = facts.get(Rounding) if target.numerics.dtype == DTYPE else None
        found = known or rounding(program, facts[Corpus].score[0], rounder(DTYPE, BLOCK, int8_steps(target.backend)))
        work = target.workload
        fine = to_refine(found.errors, DTYPE, work.batch * work.sequence)
        rival = replace(target, numerics=replace(target.numerics, dtype=DTYPE)).refined(fine)
        ready = scaled(program, found.exponents)
        path = context.scratch / "rival" / f"rival{target.backend.suffixes[0]}"
        path.parent.mkdir(exist_ok=True)
        rival.backend.emit(rival.written(ready), path)
        return ready, rival, path

    def _timed(self, program: Program, path: Path, rival: Target, facts: Facts, context: Context) -> dict[str, Timing]:
        dense = facts[Dense].program
        artifacts = {
            "dense": (facts[Baseline].artifact, dense),
            "rival": (path, dense),
            "slim": (facts[Artifact].path, program),
        }
        runners = {
            name: partial(
                rival.backend.load(place, rival.workload),
                workload_inputs(source, rival.workload, seed=context.seed),
            )
            for name, (place, source) in artifacts.items()
        }
        return interleaved(runners, seconds=self.seconds)
