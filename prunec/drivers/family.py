"""Several budgets in one run: what no budget changes is found out once, then each gets its own plan and program."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

from prunec.cost.target import Target
from prunec.drivers.budgets import label
from prunec.drivers.job import Job
from prunec.drivers.request import Request
from prunec.errors import BudgetError, InputError, PrunecError
from prunec.facts import Plan
from prunec.frontends.loaded import Loaded
from prunec.options import Budget
from prunec.passbase import Facts, Pass, is_search
from prunec.pipeline import PipelineResult


@dataclass(frozen=True)
class Parts:
    """A pipeline taken apart.

    Attributes:
        measured: up to the dense artifact and the floor, which say what budgets can be met.
        shared: from there to the search: what it needs, and no budget changes.
        own: for each budget, which `baseline` settles first.
    """

    measured: tuple[Pass, ...]
    shared: tuple[Pass, ...]
    own: tuple[Pass, ...]

    @staticmethod
    def of(passes: Sequence[Pass]) -> Parts:
        """Take `passes` apart behind the baseline and before the search, the first that makes a plan for a budget.

        Raises:
            InputError: there is no baseline before a search.
        """
        count = len(passes)
        baseline = next((place for place, item in enumerate(passes) if item.name == "baseline"), count)
        search = next((place for place, item in enumerate(passes) if is_search(item)), count)
        if not baseline < search < count:
            raise InputError(
                "several budgets are asked for, and the passes have no baseline before a search",
                "name both, as in structure, baseline, cost, calibrate, importance, damage, knapsack, remove",
            )
        first, after = passes[: baseline + 1], passes[baseline + 1 : search]
        return Parts(tuple(first), tuple(after), (passes[baseline], *passes[search:]))


@dataclass(frozen=True)
class Outcome:
    """What came of one budget.

    Attributes:
        budget: which.
        job: of this budget alone: its clock counts what all share and its own work.
        result: with the stages that all share before its own; or why there is none.
        staged: the folder of its artifact, for as long as the next outcome is not asked for.
    """

    budget: Budget
    job: Job
    result: PipelineResult | PrunecError
    staged: Path


def run_family(job: Job, loaded: Loaded, requests: Sequence[Request], scratch: Path) -> Iterator[Outcome]:
    """Run the pipeline of `job` for every one of `requests`, which differ in budget and output alone.

    Budgets below the floor come out first, before the long work; then the others, as each is done.

    Raises:
        PrunecError: what all share failed.
    """
    parts, facts = Parts.of(job.request.passes), job.request.facts(loaded)
    unbounded = facts.having(replace(facts[Target], kind="none", value=inf))
    common = job.run(loaded.program, parts.measured, unbounded, scratch)
    reachable: dict[Budget, Request] = {}
    searched: Facts | None = None
    for request in requests:
        budget = request.options.budget
        known = _asked(common.facts, request, loaded)
        try:
            settled = job.run(loaded.program, parts.own[:1], known, scratch).facts
        except BudgetError as error:
            job.recorder.warn(f"{label(budget)}: {error.what}")
            yield Outcome(budget, job, error, scratch)
            continue
        reachable[budget] = request
        searched = settled if searched is None and Plan not in settled else searched
    if searched is not None:
        found = job.run(loaded.program, parts.shared, searched, scratch)
        common = replace(found, stages=(*common.stages, *found.stages))
    shared = time.perf_counter() - job.started
    for budget, request in reachable.items():
        own = replace(job, request=request, recorder=job.recorder.apart(label(budget)))
        own = replace(own, started=time.perf_counter() - shared)
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            yield _member(own, loaded, parts, common, Path(folder))


def _member(job: Job, loaded: Loaded, parts: Parts, common: PipelineResult, scratch: Path) -> Outcome:
    """What comes of the budget of `job`, after what all share."""
    budget = job.request.options.budget
    facts = _asked(common.facts, job.request, loaded)
    try:
        result = job.run(loaded.program, parts.own, facts, scratch)
    except PrunecError as error:
        job.recorder.warn(error.what)
        return Outcome(budget, job, error, scratch)
    return Outcome(budget, job, replace(result, stages=(*common.stages, *result.stages)), scratch / "artifact")


def _asked(facts: Facts, request: Request, loaded: Loaded) -> Facts:
    """`facts` with the budget of `request`; how its artifact rounds is found out already."""
    own = request.target(loaded)
    return facts.having(own.refined(facts[Target].numerics.fine) if own.reduced else own)
