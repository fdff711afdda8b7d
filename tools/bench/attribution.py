"""Where the loss of a compile comes from: parts of its plan alone, other choices of the same size, other texts.

    python -m tools.bench.attribution .cache/models --results docs/quality.json --page docs/quality.md

The default pipeline is run up to its search, for one speed-up. Then programs are cut and re-fitted (`recover`) by that
plan, by parts of it, and by plans that keep as many units of every family or as much predicted time and choose
otherwise; each is measured, as a program, on unseen text. What is left over when the parts are added up is what they
do to each other. Rows that the results file holds are kept.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from prunec.calibration.corpus import Corpus
from prunec.calibration.heldout import HeldOut
from prunec.calibration.objective import objective
from prunec.calibration.textsource import TextSource
from prunec.drivers.job import Job, Recorder
from prunec.drivers.request import Request
from prunec.facts import Plan, Structure
from prunec.facts.depth import blocks
from prunec.frontends.huggingface import load
from prunec.frontends.loaded import Loaded
from prunec.options import Options, parse_budget
from prunec.passbase import Context, Facts, Silent
from prunec.passes.rewrite.recover import RecoverPass
from prunec.passes.rewrite.remove import slim_program
from prunec.passes.search.uniform import UniformPass
from prunec.texts import as_texts
from tools.bench.attribution_page import EQUAL, ONLY, RANDOM, TEXT, WHOLE
from tools.bench.frontier import MODELS
from tools.bench.methods_page import page
from tools.bench.rows import Row, keep
from tools.bench.subjects import SUBJECTS
from tools.bench.unseen import evaluation

PIPELINE = "structure, calibrate, baseline, cost, importance, damage, knapsack"
TOKENS = 4096
"""Tokens of each unseen text that a row is measured on."""
GROUPS = 5
"""Parts that the depth of the model is divided into."""
TEXT_SIZES = (2048, 65_536)
"""Tokens that are re-fitted on, beside the default."""

Recovery = Literal["none", "bias", "lsq"]


@dataclass(frozen=True)
class Variant:
    """One way to cut: what goes, how it is mended, on how many tokens (the pipeline's own where none are given)."""

    part: str
    plan: Plan
    recover: Recovery = "lsq"
    tokens: int | None = None


@dataclass(frozen=True)
class Chosen:
    """One model, and what the default pipeline finds out of it up to its search."""

    folder: Path
    model: str
    speedup: float
    loaded: Loaded
    scratch: Path

    @cached_property
    def facts(self) -> Facts:
        """Structure, corpus, scores, damage, costs and plan."""
        options = Options(
            parse_budget(latency=None, speedup=self.speedup, params=None, size=None),
            passes=PIPELINE,
            calibration=as_texts(self.folder / SUBJECTS[self.model].calibration),
        )
        request = Request.read(options, None, "onnx", None)
        job = Job(self.model, request, Recorder(None))
        return job.run(self.loaded.program, request.passes, request.facts(self.loaded), self.scratch).facts

    @cached_property
    def context(self) -> Context:
        """Where passes work."""
        return Context(self.scratch, self.scratch)

    @cached_property
    def measured(self) -> dict[str, HeldOut]:
        """Each unseen text with the dense program's outputs."""
        goal = objective(self.loaded.task.objective)
        paths = [self.folder / name for name in SUBJECTS[self.model].unseen]
        texts = {path.stem: evaluation(self.loaded, path, TOKENS) for path in paths}
        return {name: HeldOut.of(self.loaded.program, corpus.report, goal) for name, corpus in texts.items()}

    def variants(self) -> Iterator[Variant]:
        """The whole plan, its parts, and others of its size."""
        structure, plan = self.facts[Structure], self.facts[Plan]
        methods: tuple[Recovery, ...] = ("none", "bias", "lsq")
        yield from (Variant(f"{WHOLE}{how}", plan, how) for how in methods)
        yield from (Variant(f"{ONLY}{kind}", part) for kind, part in by_kind(structure, plan).items())
        yield from (Variant(f"{ONLY}{where}", part) for where, part in by_depth(structure, plan).items())
        yield Variant(RANDOM, redrawn(structure, plan))
        yield Variant(EQUAL, self._uniform())
        yield from (Variant(f"{TEXT}{size:,} tokens", plan, tokens=size) for size in TEXT_SIZES)

    def row(self, variant: Variant) -> Row:
        """One variant, cut, mended and measured."""
        structure, plan = self.facts[Structure], variant.plan
        slim = slim_program(self.loaded.program, structure, plan)
        facts = self.facts.having(plan)
        if variant.tokens:
            facts = facts.having(self._corpus(variant.tokens))
        slim = RecoverPass(variant.recover).run(slim, facts, self.context).program
        return {
            "model": self.model,
            "speedup_asked": self.speedup,
            "part": variant.part,
            "parameters": slim.parameter_count(),
            "damage": {name: held.damage(slim) for name, held in self.measured.items()},
            "predicted_damage": plan.predicted_damage,
        }

    def _uniform(self) -> Plan:
        """A plan for the same predicted time by the same scores, an equal share of every family."""
        found = UniformPass().run(self.loaded.program, self.facts, self.context).facts
        return next(fact for fact in found if isinstance(fact, Plan))

    def _corpus(self, tokens: int) -> Corpus:
        """The calibration text, `tokens` of it to re-fit on."""
        own = self.facts[Corpus]
        built = self.facts[TextSource].build(
            self.loaded.program, tokens=(tokens, 512, 512), batch=4, seed=0, progress=Silent()
        )
        return replace(own, score=built.score)


def by_kind(structure: Structure, plan: Plan) -> dict[str, Plan]:
    """What goes of each kind of unit, and the sublayers that go whole, as plans of their own."""
    kinds = dict.fromkeys(family.kind for family in structure.families if plan.units.get(family.name))
    found = {f"{kind}s": _kept(plan, units={f.name for f in structure.families if f.kind == kind}) for kind in kinds}
    return found | ({"whole sublayers": _kept(plan, sublayers=set(plan.sublayers))} if plan.sublayers else {})


def by_depth(structure: Structure, plan: Plan, groups: int = GROUPS) -> dict[str, Plan]:
    """What goes of each of `groups` runs of blocks, as plans of their own."""
    every = blocks(structure)
    found = {}
    for part in np.array_split(np.arange(len(every)), min(groups, len(every))):
        here = [sublayer for index in part for sublayer in every[index]]
        names = {family for sublayer in here for family in sublayer.families}
        alone = _kept(plan, names, {sublayer.name for sublayer in here})
        if not alone.is_empty():
            first, last = part[0] + 1, part[-1] + 1
            found[f"block {first}" if first == last else f"blocks {first} to {last}"] = alone
    return found


def redrawn(structure: Structure, plan: Plan) -> Plan:
    """As many units of each family as `plan` takes, drawn at random."""
    drawn = np.random.default_rng(0)
    sizes = {family.name: family.units for family in structure.families}
    units = {name: drawn.permutation(sizes[name])[: len(gone)] for name, gone in plan.units.items()}
    return replace(plan, units={name: tuple(np.sort(indices).tolist()) for name, indices in units.items()})


def _kept(plan: Plan, units: Collection[str] = (), sublayers: Collection[str] = ()) -> Plan:
    return Plan(
        {name: gone for name, gone in plan.units.items() if name in units},
        tuple(name for name in plan.sublayers if name in sublayers),
    )


def main() -> None:
    """Measure what is missing; write results and page after each row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="where tools/fetch_models.py put models and text")
    parser.add_argument("--results", type=Path, required=True, help="JSON file of raw rows, added to")
    parser.add_argument("--page", type=Path, required=True, help="Markdown page, written anew")
    parser.add_argument("--only", default=",".join(MODELS), help="models, separated by commas")
    parser.add_argument("--speedup", type=float, default=1.5)
    given = parser.parse_args()
    rows: list[Row] = json.loads(given.results.read_text()) if given.results.exists() else []
    for model in given.only.split(","):
        have = {row.get("part") for row in rows if (row["model"], row["speedup_asked"]) == (model, given.speedup)}
        with tempfile.TemporaryDirectory() as scratch:
            chosen = Chosen(given.models, model, given.speedup, load(given.models / model), Path(scratch))
            for variant in chosen.variants():
                if variant.part not in have:
                    keep(chosen.row(variant), rows, given.results, given.page, page)


if __name__ == "__main__":
    main()
