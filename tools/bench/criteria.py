"""Every importance criterion on real models: what a model loses when units go by it, and what scoring costs.

    python -m tools.bench.criteria .cache/models --results docs/criteria.json --page docs/criteria.md

Criteria are compared at the same sizes: of every family that the cost model prices the same share goes, the least
that meets the speed-up by the measured tables, lowest scores first. Criteria of sublayers choose among whole
sublayers by the knapsack, until the same predicted time is left. What is left is measured as it is cut, and with the
weights that read each family fitted to what is left of it, in closed form from the same text for all criteria.

Scores and text are drawn anew for each seed; all criteria of a seed share one pass over the text. Scoring alone is
also run as the command does it, one criterion a process. Rows that the results file holds are kept, so that a run
that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunec.calibration.compensation import refitted
from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import objective, with_labels
from prunec.cost.line import fewest
from prunec.drivers.job import Job, Recorder
from prunec.drivers.request import Request
from prunec.facts import Ceiling, CostModel, Damage, Plan, Scores, SecondMoments, Structure
from prunec.frontends.huggingface import load
from prunec.frontends.loaded import Loaded
from prunec.ir.program import Program, build_module
from prunec.options import Options, parse_budget
from prunec.passbase import Context, Facts
from prunec.passes.analysis.importance import criteria, make
from prunec.passes.analysis.importance.scoring import score
from prunec.passes.rewrite.remove import slim_program
from prunec.passes.search.knapsack import KnapsackPass
from prunec.passes.search.uniform import SHARES, uniform
from prunec.texts import as_texts
from tools.bench.criteria_costs import costs
from tools.bench.criteria_page import page
from tools.bench.rows import keep
from tools.bench.subjects import SUBJECTS, Subject
from tools.bench.threads import enough_threads
from tools.bench.unseen import evaluation

MODELS = "smollm2-135m", "minilm-bbc"
TOKENS = 2048
"""Of each text that is measured, where it has no labels."""
SPEEDUPS = (1.25, 1.5, 2.0)
MIDDLE = 1.5
"""The speed-up at which what is cut is measured without the fit too."""
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Bench:
    """One subject with its model loaded.

    Attributes:
        known: shares of every family by speed-up, where earlier rows have them: the tables' scale follows the pace of
            the machine at the time.
    """

    subject: Subject
    folder: Path
    loaded: Loaded
    scratch: Path
    cache: Path | None
    known: Mapping[float, float]

    def facts(self, passes: str, seed: int, texts: Mapping[str, Path] | Path) -> Facts:
        """What `passes` find out."""
        options = Options(
            parse_budget(latency=None, speedup=MIDDLE, params=None, size=None),
            passes=passes,
            calibration=as_texts(texts),
            seed=seed,
            cache=self.cache,
        )
        request = Request.read(options, None, "onnx", None)
        job = Job(self.subject.model, request, Recorder(None))
        return job.run(self.loaded.program, request.passes, request.facts(self.loaded), self.scratch).facts

    @cached_property
    def measured(self) -> Facts:
        """Structure and cost model."""
        return self.facts("structure, baseline, cost", 0, self.folder / self.subject.calibration)

    @cached_property
    def shares(self) -> dict[float, float]:
        """By speed-up the least share, in thousandths, of every family that must go for it."""
        if set(SPEEDUPS) <= set(self.known):
            return dict(self.known)
        structure, costs = self.measured[Structure], self.measured[CostModel]
        equal = Scores("", "", {family.name: np.zeros(family.units) for family in structure.families})

        def cost(step: int) -> float:
            return costs.predict(structure, Plan(uniform(structure, costs, equal, step / SHARES)))

        steps = {speedup: fewest(cost, SHARES, cost(0) / speedup) for speedup in SPEEDUPS}
        if beyond := [speedup for speedup, step in steps.items() if step is None]:
            raise SystemExit(f"units alone make {self.subject.model} no {beyond[0]:g} times faster")
        return {speedup: step / SHARES for speedup, step in steps.items() if step is not None}

    @cached_property
    def texts(self) -> dict[str, tuple[Corpus, list[dict[str, Tensor]]]]:
        """Each text that is measured, and the dense program's outputs on its batches."""
        corpora = {Path(name).stem: evaluation(self.loaded, self.folder / name, TOKENS) for name in self.subject.unseen}
        with torch.no_grad():
            return {
                name: (corpus, [self.loaded.program(batch) for batch in corpus.report])
                for name, corpus in corpora.items()
            }

    def figures(self, program: Program) -> dict[str, list[float]]:
        """By text the objective's report of `program` and its damage."""
        found = {}
        for name, (corpus, reference) in self.texts.items():
            goal = with_labels(objective(self.loaded.task.objective), corpus.report)
            totals = np.zeros((2, 2))
            for batch, dense in zip(corpus.report, reference, strict=True):
                with torch.no_grad():
                    outputs = program(batch)
                totals += [goal.report(outputs, dense, batch), goal.damage(outputs, dense, batch)]
            found[name] = (totals[:, 0] / totals[:, 1]).tolist()
        return found

    def unit(self) -> str:
        """What reports are measured in."""
        corpus = next(iter(self.texts.values()))[0]
        return with_labels(objective(self.loaded.task.objective), corpus.report).report_unit

    def scored(
        self, names: list[str], seed: int, texts: Mapping[str, Path] | Path
    ) -> tuple[dict[str, Scores], SecondMoments]:
        """Scores by each of `names`, and second moments of the same text."""
        facts = self.facts("structure, calibrate", seed, texts)
        kinds = {name: make(name, seed) for name in {*names, "reconstruction"}}
        found = score(self.loaded.program, facts, Context(self.scratch, self.scratch, seed), kinds)
        moments = found.moments(facts[Structure].families)
        assert moments is not None
        return dict(found.scores), moments

    def plan(self, scores: Scores, speedup: float) -> tuple[Plan, float]:
        """What goes by `scores`, and the share of each family that does (0 where whole sublayers go)."""
        structure, costs = self.measured[Structure], self.measured[CostModel]
        if scores.units:
            share = self.shares[speedup]
            return Plan(uniform(structure, costs, scores, share)), share
        target = costs.predict(structure, Plan({})) / speedup
        facts = Facts()
        for fact in (structure, scores, costs, Damage(scores.criterion, {}, scores.sublayers), Ceiling("ms", target)):
            facts.put(fact)
        result = KnapsackPass().run(self.loaded.program, facts, Context(self.scratch, self.scratch))
        return next(fact for fact in result.facts if isinstance(fact, Plan)), 0.0

    def fitted(self, plan: Plan, moments: SecondMoments) -> Program:
        """The dense program with the weights that read each family fitted to what `plan` leaves of it."""
        program, structure = self.loaded.program, self.measured[Structure]
        tensors = dict(program.tensors())
        for name, removed in plan.units.items():
            fits = refitted(program, structure.family(name), removed, moments.sites[name])
            tensors |= {weight: torch.nn.Parameter(fit, requires_grad=False) for weight, fit in fits.items()}
        return program.with_module(build_module(program.graph, tensors))

    def row(self, scores: Scores, speedup: float, moments: SecondMoments) -> dict[str, Any]:
        """What is left by `scores` at `speedup`, measured."""
        plan, share = self.plan(scores, speedup)
        structure = self.measured[Structure]
        row: dict[str, Any] = {"share": share, "sublayers": list(plan.sublayers)}
        if speedup == MIDDLE or not plan.units:
            row["cut"] = self.figures(slim_program(self.loaded.program, structure, plan))
        if plan.units:
            row["fitted"] = self.figures(slim_program(self.fitted(plan, moments), structure, plan))
        return row


def quality(bench: Bench, rows: list[dict[str, Any]], names: list[str], seeds: list[int]) -> Iterator[dict[str, Any]]:
    """The rows of quality that are missing, seed by seed."""
    model = bench.subject.model
    have = {
        (row["criterion"], row["seed"], row["speedup"]) for row in rows if row["model"] == model and "speedup" in row
    }
    if not any(row["model"] == model and "dense" in row for row in rows):
        yield {"model": model, "unit": bench.unit(), "dense": bench.figures(bench.loaded.program)}
    for seed in seeds:
        missing = [name for name in names if any((name, seed, speedup) not in have for speedup in SPEEDUPS)]
        for group, texts in _texts(bench, missing):
            started = time.perf_counter()
            found, moments = bench.scored(group, seed, texts)
            print(
                f"{model} seed {seed}: {len(group)} criteria scored in {time.perf_counter() - started:.0f} s",
                flush=True,
            )
            for name in group:
                for speedup in SPEEDUPS:
                    if (name, seed, speedup) not in have:
                        row = {"model": model, "criterion": name, "seed": seed, "speedup": speedup}
                        yield row | bench.row(found[name], speedup, moments)


def _texts(bench: Bench, names: list[str]) -> Iterator[tuple[list[str], Mapping[str, Path] | Path]]:
    """The criteria by the text that they read: `expert` reads both, the others the first."""
    if alone := [name for name in names if name != "expert"]:
        yield alone, bench.folder / bench.subject.calibration
    if "expert" in names and bench.subject.second:
        yield ["expert"], bench.subject.calibrations(bench.folder)


def main() -> None:
    """Measure what is missing; write results and page after each row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="where tools/fetch_models.py put models and text")
    parser.add_argument("--results", type=Path, required=True, help="JSON file of raw rows, added to")
    parser.add_argument("--page", type=Path, required=True, help="Markdown page, written anew")
    parser.add_argument("--only", default=",".join(MODELS), help="models, separated by commas")
    parser.add_argument("--criteria", default=",".join(criteria()), help="criteria, separated by commas")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="seeds, separated by commas")
    parser.add_argument("--what", choices=("quality", "costs", "both"), default="both")
    parser.add_argument("--cache", type=Path, help="folder of prunec's measurements; the user's by default")
    given = parser.parse_args()
    if given.what != "quality":
        enough_threads()
    rows: list[dict[str, Any]] = json.loads(given.results.read_text()) if given.results.exists() else []
    names, seeds = given.criteria.split(","), [int(seed) for seed in given.seeds.split(",")]
    for subject in (SUBJECTS[name] for name in given.only.split(",")):
        with tempfile.TemporaryDirectory() as scratch:
            known = {row["speedup"]: row["share"] for row in rows if row["model"] == subject.model and row.get("share")}
            bench = Bench(subject, given.models, load(given.models / subject.model), Path(scratch), given.cache, known)
            for row in quality(bench, rows, names, seeds) if given.what != "costs" else ():
                keep(row, rows, given.results, given.page, page)
        if given.what != "quality":
            for row in costs(subject, given.models, rows, names):
                keep(row, rows, given.results, given.page, page)


if __name__ == "__main__":
    main()
