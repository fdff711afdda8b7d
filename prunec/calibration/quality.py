"""How good a model is on the reporting text, beside the dense one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Objective
from prunec.calibration.totals import Totals
from prunec.facts import Quality
from prunec.passbase import Progress

Batch = Mapping[str, Tensor]
Answering = Callable[[Batch], Batch]
"""A program, or an artifact in its place: outputs by name for inputs by name."""


def quality_of(slim: Answering, dense: Answering, corpus: Corpus, objective: Objective, progress: Progress) -> Quality:
    """The objective's figures of `slim` and `dense` on all reporting text of `corpus`, and on each named text alone."""
    parts = {name: part.report for name, part in (corpus.named or {"": corpus}).items()}
    totals, done = dict.fromkeys(parts, Totals()), 0
    for name, batches in parts.items():
        for batch in batches:
            totals[name] += _compare(objective, dense, slim, batch)
            done += 1
            progress.item("evaluating", done, len(corpus.report))
    named = {name: total.quality(objective) for name, total in totals.items() if name}
    return replace(sum(totals.values(), Totals()).quality(objective), named=named)


def _compare(objective: Objective, dense: Answering, slim: Answering, batch: Batch) -> Totals:
    with torch.no_grad():
        reference = dense(batch)
        outputs = reference if slim is dense else slim(batch)
    return Totals.of(objective, outputs, reference, batch)
