"""`sublayer`: again and again the sublayer goes whose loss re-fitting mends best for the time that it saves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from safetensors.torch import load_file
from torch import Tensor

from prunec.calibration.checkpoint import save_tensors
from prunec.calibration.corpus import Corpus
from prunec.calibration.hashes import content_hash
from prunec.calibration.journal import Journal
from prunec.calibration.objective import Goal
from prunec.calibration.removal import Probe, affordable, at_most
from prunec.calibration.windows import Windows
from prunec.facts import Ceiling, CostModel, Depth, Plan, Step, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class SublayerPass(Pass):
    """Remove attention and feed-forward sublayers one by one until the budget holds.

    Park et al. 2025, "SPRINT". Each step scores every sublayer that is left: it is bypassed, the output projection of
    the next feed-forward sublayer is re-fitted, and the relative error that this adds to the stream behind it counts
    for each unit of cost that goes. Of the best few the one goes that adds the least true damage for what it saves;
    its re-fit stays, and the next step builds on it. Scores whose window ends before what went are kept.

    Ours differs from the published code in that the stream to follow is the dense model's, so that a re-fit mends
    earlier removals too, and what was lost already is subtracted; re-fits are damped and judged on sequences of their
    own, as in the criterion `tunability`; every sublayer is scored re-fitted, not only those that lose little without;
    true damage decides; costs are the tables measured on the target, to which the cost model adds what is constant;
    and the last feed-forward sublayer can go. The re-fits are left to `recover`, which walks the whole stream.

    The order, with the re-fits, is kept in a file of the cache after every step: a search that was cut off goes on
    there, and so does a tighter budget. What sublayers save is measured: where one's share of it is another by more
    than `CLOSE` of `prunec.calibration.journal`, the search begins anew.

    Attributes:
        tokens: how much of the scoring text re-fitting uses, at least one batch.
        confirm: how many of the best are compared by true damage on the choosing text.
    """

    name: ClassVar[str] = "sublayer"
    needs: ClassVar[tuple[type, ...]] = (Structure, Corpus, Goal, CostModel, Ceiling)
    gives: ClassVar[tuple[type, ...]] = (Plan,)

    tokens: int = 4096
    confirm: int = 5

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the plan; a dense program within the budget gets an empty one.

        Raises:
            BudgetError: the budget is not met with every sublayer gone.
            PassError: there is too little text to re-fit with, or the stream is not finite.
        """
        depth = Depth(facts[Structure], facts[CostModel], facts[Ceiling])
        plan, steps = depth.plan(self.name, depth.candidates("sublayers"), self._steps(program, facts, context, depth))
        damage = steps[-1].measured if steps else 0.0
        log = f"{len(steps)} sublayers go: {plan.predicted_cost:.4g} {depth.costs.unit}, re-fitted damage {damage:.4g}"
        return PassResult(program, (replace(plan, predicted_damage=damage),), log)

    def _steps(self, program: Program, facts: Facts, context: Context, depth: Depth) -> Iterator[Step]:
        """Every removal in order: those in the journal, then new ones, which are added to it."""
        corpus, objective = facts[Corpus], facts[Goal].objective
        names = [name for (name,) in depth.candidates("sublayers")]
        whole = depth.cost(()) - depth.cost(names)
        key = {
            "search": self.name,
            "settings": [self.tokens, self.confirm, context.seed],
            "program": content_hash(program),
            "data": corpus.data_hash,
            "loss": objective.damage_unit,
        }
        # Shares: the tables' scale follows the pace of the machine at the time, and changes no choice.
        journal = Journal(context, key, {name: depth.saved((), name) / whole for name in names})
        yield from journal.steps
        tokens = affordable(self.confirm * len(names) // 2, program)
        probe = Probe(program, depth.structure, objective, at_most(corpus.choose, tokens))
        search = _Search(self, program, depth, corpus, probe, context)
        while True:
            step, weights = search.next(journal.steps, journal.weights)
            journal.write((*journal.steps, step), weights)
            yield step


@dataclass(frozen=True)
class _Scored:
    """Relative error of the stream behind sublayer `where` with a candidate bypassed and that one re-fitted."""

    error: float
    where: str


class _Search:
    """What is known of the sublayers that are left. Their re-fits are files: together they are as large as the model.

    Attributes:
        scored: by name, as far as nothing that was removed since has changed it.
    """

    def __init__(
        self, work: SublayerPass, program: Program, depth: Depth, corpus: Corpus, probe: Probe, context: Context
    ) -> None:
        self.work, self.program, self.depth, self.probe, self.context = work, program, depth, probe, context
        self.batches = at_most(corpus.score, work.tokens)
        self.order = {item.name: place for place, item in enumerate(depth.structure.sublayers)}
        self.scored: dict[str, _Scored] = {}
        self.folder: Path = context.scratch / "refits"
        self.folder.mkdir(exist_ok=True)

    def next(self, taken: tuple[Step, ...], weights: Mapping[str, Tensor]) -> tuple[Step, dict[str, Tensor]]:
        """The removal after `taken`, which left `weights` re-fitted, and the weights after it."""
        gone = tuple(name for step in taken for name in step.sublayers)
        present = self._score(gone, weights)
        self.probe.go_on_from(Plan({}, gone), weights)
        before = taken[-1].measured if taken else 0.0
        added = {name: found.error - present[found.where] for name, found in self.scored.items()}
        saved = {name: self.depth.saved(gone, name) for name in added}
        best = sorted(added, key=lambda name: (added[name] / saved[name], self.order[name]))[: self.work.confirm]
        damages: dict[str, float] = {}
        for name in best:
            place = self.depth.structure.sublayers[self.order[name]]
            refitted = {**weights, **self._refit(name)}
            damages[name] = self.probe.damage(Plan({}, (*gone, name)), place, refitted)
            self.context.progress.item(f"confirming sublayers, {len(gone)} gone", len(damages), len(best))
        name = min(best, key=lambda name: (damages[name] - before) / saved[name])
        refitted = {**weights, **self._refit(name)}
        self._forget(name)
        return Step((name,), damages[name]), refitted

    def _score(self, gone: tuple[str, ...], weights: Mapping[str, Tensor]) -> dict[str, float]:
        """Score what is left and not scored yet; the error that is there already behind each sublayer."""
        windows = Windows(self.program, self.depth.structure, self.batches, self.context.seed, gone, weights)
        able = {name for (name,) in self.depth.candidates("sublayers")} - {*gone, *self.scored}
        for number in range(len(windows.sublayers)):
            name = windows.step().name
            if name in able:
                mending = windows.mending()
                self.scored[name] = _Scored(mending.tuned, mending.where)
                save_tensors(mending.weights, self._file(name))
            self.context.progress.item(
                f"re-fitting around sublayers, {len(gone)} gone", number + 1, len(windows.sublayers)
            )
        return windows.present

    def _forget(self, removed: str) -> None:
        """Drop the scores that the removal changes: those whose window ends at it or after it."""
        place = self.order[removed]
        self.scored = {name: found for name, found in self.scored.items() if self.order[found.where] < place}

    def _refit(self, name: str) -> dict[str, Tensor]:
        return load_file(self._file(name))

    def _file(self, name: str) -> Path:
        return self.folder / f"{self.order[name]}.safetensors"
