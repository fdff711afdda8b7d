"""`layer-influence`: the decoder layers that turn the residual stream least go, all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from prunec.calibration.corpus import Corpus
from prunec.calibration.hashes import content_hash
from prunec.calibration.journal import Journal
from prunec.calibration.streams import Cosines
from prunec.calibration.tokens import require_finite, token_rows
from prunec.facts import Candidate, Ceiling, CostModel, Depth, Plan, Step, Structure, Sublayer
from prunec.ir.execute import evaluate, input_values
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class LayerInfluencePass(Pass):
    """Remove the decoder layers of least influence, `1 - mean over tokens of cos(x, y)`, until the budget holds.

    Men et al. 2024, "ShortGPT", equation 1: x is the residual stream before the layer, y that behind it, of the dense
    model; layers are ranked once. Padding counts for nothing. A layer is attention and the feed-forward after it, and
    single sublayers where a model has no such pairs. The criterion `block-influence` ranks single sublayers by the
    same figure, for the search `knapsack`.

    The ranking is kept in a file of the cache.
    """

    name: ClassVar[str] = "layer-influence"
    needs: ClassVar[tuple[type, ...]] = (Structure, Corpus, CostModel, Ceiling)
    gives: ClassVar[tuple[type, ...]] = (Plan,)

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the plan; a dense program within the budget gets an empty one.

        Raises:
            BudgetError: the budget is not met with every layer gone.
            PassError: the stream is not finite.
        """
        depth = Depth(facts[Structure], facts[CostModel], facts[Ceiling])
        candidates = depth.candidates("blocks")
        plan, steps = depth.plan(self.name, candidates, self._ranked(program, facts, context, candidates))
        most = f", the most influential at {steps[-1].measured:.4g}" if steps else ""
        return PassResult(
            program, (plan,), f"{len(steps)} layers go: {plan.predicted_cost:.4g} {depth.costs.unit}{most}"
        )

    def _ranked(
        self, program: Program, facts: Facts, context: Context, candidates: Sequence[Candidate]
    ) -> Iterator[Step]:
        """The layers by influence, the least first; of equals the earlier one."""
        corpus = facts[Corpus]
        data = {"program": content_hash(program), "data": corpus.data_hash, "candidates": candidates}
        journal = Journal(context, {"search": self.name, **data})
        if not journal.steps:
            cosines = _cosines(program, facts[Structure], candidates, corpus, context)
            # Rounding can leave a cosine above 1.
            steps = [Step(names, max(0.0, 1 - cosine)) for names, cosine in zip(candidates, cosines, strict=True)]
            journal.write(sorted(steps, key=lambda step: step.measured))
        yield from journal.steps


def _cosines(
    program: Program, structure: Structure, candidates: Sequence[Candidate], corpus: Corpus, context: Context
) -> list[float]:
    """Mean cosine between the stream before each layer and behind it, over the scoring text."""
    by_name = {item.name: item for item in structure.sublayers}
    layers: list[list[Sublayer]] = [[by_name[name] for name in names] for names in candidates]
    nodes = {node.name: node for node in program.graph.nodes}
    ends = [(layer[-1], nodes[layer[0].skip], nodes[layer[-1].add]) for layer in layers]
    wanted = dict.fromkeys(node for _, *pair in ends for node in pair)
    cosines = Cosines()
    for number, batch in enumerate(corpus.score):
        with torch.no_grad():
            values = evaluate(program, input_values(program, batch), wanted)
        for last, before, after in ends:
            require_finite(last.name, values[after])
            cosines.update(last, token_rows(values[before], batch), token_rows(values[after], batch))
        context.progress.item("measuring influence", number + 1, len(corpus.score))
    return [cosines.mean(last) for last, _, _ in ends]
