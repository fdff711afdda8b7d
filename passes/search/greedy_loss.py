"""`greedy-loss`: again and again the block goes whose removal loses least, measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from prunec.calibration.corpus import Corpus
from prunec.calibration.hashes import content_hash
from prunec.calibration.journal import Journal
from prunec.calibration.objective import Goal
from prunec.calibration.removal import Probe, affordable, at_most
from prunec.facts import Candidate, Ceiling, CostModel, Depth, Grain, Plan, Step, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class GreedyLossPass(Pass):
    """Remove blocks one by one until the budget holds, each time the one with which least is lost.

    Song et al. 2024, "SLEB": what is gone stays gone, and every block that is left is tried on the
    choosing text. There the first and the last block are never tried, and the loss is that on the text itself; here
    every block is, and the loss is the objective's damage, the distance to the dense model. What lies before a block
    is computed once a step. A block is a decoder layer: attention and the feed-forward after it.

    The order in which blocks go does not depend on the budget: it is kept in a file of the cache, and a tighter budget
    begins where it ends.

    Attributes:
        of: what goes at once: `blocks`, as published, or single `sublayers`.
        tokens: how much of the choosing text is used, at least one batch; None as much as keeps the work near
            `WORK` of `prunec.calibration.removal` where half of the blocks go.
    """

    name: ClassVar[str] = "greedy-loss"
    needs: ClassVar[tuple[type, ...]] = (Structure, Corpus, Goal, CostModel, Ceiling)
    gives: ClassVar[tuple[type, ...]] = (Plan,)

    of: Grain = "blocks"
    tokens: int | None = None

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the plan; a dense program within the budget gets an empty one.

        Raises:
            BudgetError: the budget is not met with every block gone.
        """
        depth = Depth(facts[Structure], facts[CostModel], facts[Ceiling])
        candidates = depth.candidates(self.of)
        # Of n blocks, half as many steps as blocks try three quarters of them each on average.
        tokens = self.tokens or affordable(len(candidates) ** 2 * 3 // 8, program)
        plan, steps = depth.plan(self.name, candidates, self._steps(program, facts, context, candidates, tokens))
        damage = steps[-1].measured if steps else 0.0
        log = f"{len(steps)} {self.of} go: {plan.predicted_cost:.4g} {depth.costs.unit}, damage {damage:.4g}"
        return PassResult(program, (replace(plan, predicted_damage=damage),), log)

    def _steps(
        self, program: Program, facts: Facts, context: Context, candidates: Sequence[Candidate], tokens: int
    ) -> Iterator[Step]:
        """Every removal in order: those in the journal, then new ones, which are added to it."""
        structure, corpus, objective = facts[Structure], facts[Corpus], facts[Goal].objective
        key = {
            "search": self.name,
            "program": content_hash(program),
            "data": corpus.data_hash,
            "tokens": tokens,
            "loss": objective.damage_unit,
            "candidates": candidates,
        }
        journal = Journal(context, key)
        yield from journal.steps
        probe = Probe(program, structure, objective, at_most(corpus.choose, tokens))
        while True:
            journal.write((*journal.steps, self._next(probe, journal.steps, candidates, context)))
            yield journal.steps[-1]

    def _next(self, probe: Probe, taken: Sequence[Step], candidates: Sequence[Candidate], context: Context) -> Step:
        """The removal that leaves the least damage after those that are `taken`; the first of several."""
        gone = tuple(name for step in taken for name in step.sublayers)
        probe.go_on_from(Plan({}, gone))
        left = [names for names in candidates if names[0] not in gone]
        places = {item.name: item for item in probe.structure.sublayers}
        tried: list[Step] = []
        for names in left:
            tried.append(Step(names, probe.damage(Plan({}, (*gone, *names)), places[names[0]])))
            context.progress.item(f"measuring {self.of}, {len(taken)} gone", len(tried), len(left))
        return min(tried, key=lambda step: step.measured)
