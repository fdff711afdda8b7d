"""`weakness`: what the dense program has right and the slim one wrong, item by item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal, flips, unknown_truth, with_labels
from prunec.facts import Dense, Weakness, Weaknesses
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult


@dataclass(frozen=True)
class WeaknessPass(Pass):
    """Collect the reporting text's items that were right and are wrong: tokens, or texts with labels.

    APT (Rao et al. 2025) collects a model's bad cases by a judge model and tunes on them. Here the text itself says
    what is right: the next token, or the label. Training on such items is `distill{weakness=...}`; these are of text
    that nothing was trained on or chosen by.

    Attributes:
        most: how many items are kept; all are counted.
    """

    name: ClassVar[str] = "weakness"
    needs: ClassVar[tuple[type, ...]] = (Dense, Corpus, Goal)
    gives: ClassVar[tuple[type, ...]] = (Weaknesses,)

    most: int = 1000

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        """Give the weaknesses.

        Raises:
            InputError: nothing says what is right for this model.
        """
        corpus, dense = facts[Corpus], facts[Dense].program
        objective = with_labels(facts[Goal].objective, corpus.report)
        items: list[Weakness] = []
        known = lost = gained = 0
        for number, batch in enumerate(corpus.report, 1):
            with torch.no_grad():
                reference = dense(batch)
                outputs = reference if program is dense else program(batch)
            truth = objective.truth(batch)
            if truth is None:
                raise unknown_truth(objective)
            flipped = flips(truth, outputs, reference)
            known, lost = known + int((truth >= 0).sum()), lost + int(flipped.sum())
            gained += int(flips(truth, reference, outputs).sum())
            items += _items(batch, truth, flipped, outputs["logits"])
            context.progress.item("looking for weaknesses", number, len(corpus.report))
        found = Weaknesses(tuple(items[: self.most]), known, lost, gained)
        return PassResult(
            program, (found,), f"of {known:,} items {lost:,} were right and are wrong, {gained:,} the reverse"
        )


def _items(batch: Mapping[str, Tensor], truth: Tensor, flipped: Tensor, logits: Tensor) -> list[Weakness]:
    """What flipped in a batch; of a token, what stands before it, padding left out."""
    tokens, mask = batch.get("input_ids"), batch.get("attention_mask")
    found = []
    for place in flipped.nonzero().tolist():
        row, end = place[0], place[1] + 1 if len(place) > 1 else None
        ids: list[int] = []
        if tokens is not None:
            kept = tokens[row, :end]
            ids = (kept if mask is None else kept[mask[row, :end].bool()]).tolist()
        found.append(Weakness(tuple(ids), int(truth[tuple(place)]), int(logits[tuple(place)].argmax())))
    return found
