"""`plain-export`: the dense program operator by operator, as an artifact to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from prunec.cost.measure import interleaved, workload_inputs
from prunec.cost.target import Baseline, PlainExport, Target
from prunec.cost.timer import Backend, Rewriting
from prunec.errors import PrunecError
from prunec.facts import Dense
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class PlainExportPass(Pass):
    """Emit the dense program in float32 without lossless rewrites, and time it beside the dense artifact.

    What the backend gains before anything is removed. The logits of all tokens are computed, also where the artifact
    gives the last token's alone.

    Attributes:
        seconds: how long the two are timed, in turn.
    """

    name: ClassVar[str] = "plain-export"
    needs: ClassVar[tuple[type, ...]] = (Dense, Target, Baseline)
    gives: ClassVar[tuple[type, ...]] = (PlainExport,)

    seconds: float = 3.0

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the plain export."""
        backend = facts[Target].plain
        if not isinstance(backend, Rewriting):
            return PassResult(program, (), f"there is none: {backend.name} artifacts are not rewritten")
        try:
            found = self._made(backend.literal(), facts, context)
        except Exception as error:  # Others' tools raise what they like, and nobody asked for this file.
            why = error.what if isinstance(error, PrunecError) else f"{type(error).__name__}: {error}"
            return PassResult(program, (), f"there is none: {why}")
        return PassResult(program, (found,), f"the dense artifact is {found.speedup:.2f}x as fast")

    def _made(self, literal: Backend, facts: Facts, context: Context) -> PlainExport:
        target, dense = facts[Target], facts[Dense].program
        context.progress.item("exporting the dense model as it was traced", 0, 2)
        path = self._emit(literal, dense, target.filename, context.scratch)
        context.progress.item("timing it and the dense artifact by turns", 1, 2)
        runners = {
            name: partial(
                maker.load(place, target.workload),
                workload_inputs(dense, target.workload, seed=context.seed),
            )
            for name, maker, place in (("plain", literal, path), ("dense", target.plain, facts[Baseline].artifact))
        }
        timings = interleaved(runners, seconds=self.seconds)
        return PlainExport(timings["plain"], timings["dense"])

    @staticmethod
    def _emit(backend: Backend, program: Program, filename: str, scratch: Path) -> Path:
        path = scratch / "plain" / filename
        path.parent.mkdir(exist_ok=True)
        backend.emit(program, path)
        return path
