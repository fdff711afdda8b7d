"""The driver's fourth question: how much do a plan, and what is lost by it, depend on the calibration text?"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import prunec
from prunec.calibration.corpus import Corpus
from prunec.calibration.named import joined
from prunec.calibration.objective import Goal, with_labels
from prunec.calibration.repeats import require_distinct
from prunec.calibration.textsource import TextSource
from prunec.cost.target import Target
from prunec.drivers.job import Job, Recorder, read_options
from prunec.drivers.request import Request
from prunec.errors import InputError
from prunec.facts import Plan, Quality, Structure
from prunec.files import checked_file, write_text
from prunec.frontends.loaded import Loaded
from prunec.ir.program import Program
from prunec.options import Options, parse_budget
from prunec.passbase import Facts, Pass, Progress
from prunec.pipeline import PipelineResult, Stage, to_text
from prunec.report.build import data_of, machine_of, stage_of, text_loss
from prunec.report.overlap import counts, overlaps
from prunec.report.sensitivity import PlanOutcome, Sensitivity

SUFFIX = ".json"
POOLED = "all texts"
"""The plan by all texts in equal shares. No text can be called so: names have no spaces."""
REPAIR = "lsq"
"""What mends plans where nothing is said: training would mend away some of what text decides."""


def sensitivity(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    calibration: Mapping[str, str | os.PathLike[str]] | None,
    budget_latency: str | float | None = None,
    speedup: str | float | None = None,
    budget_params: str | float | None = None,
    budget_size: str | float | None = None,
    backend: str = "onnx",
    progress: Progress | None = None,
    force: bool = False,
    **options: Any,
) -> Sensitivity:
    """Make one plan by each calibration text and one by all, under one budget, and measure each on every text.

    The model is traced, and its structure, baseline and cost tables are measured, once for all plans. What is
    reported of a text is measured on a part of it that no plan saw, unless texts have passages in common, which is a
    warning. Nothing is emitted: what a plan costs is predicted.

    Args:
        model: a Hugging Face directory.
        output: the JSON file to write; None writes nothing.
        calibration: two or more texts by name.
        budget_latency: milliseconds, or text such as `20ms`.
        speedup: a factor over the dense artifact.
        budget_params: parameters, or text such as `80M`.
        budget_size: bytes of the artifact, or text such as `200MB`. Exactly one budget is given.
        backend: the artifact kind that is timed.
        progress: where to report; silent by default.
        force: whether an existing file may be replaced.
        options: the other fields of `prunec.options.Options`, such as `importance`. Each slim program is repaired by
            the text of its plan before it is measured, as a compile does, unless `recover` is `none`; without training
            where neither `recover` nor `passes` says how.

    Raises:
        PrunecError: as one line that says what, where and how to mend it.
    """
    path = checked_file(output, SUFFIX, "the comparison is", force)
    budget = parse_budget(latency=budget_latency, speedup=speedup, params=budget_params, size=budget_size)
    require_several(calibration)
    given = {**options, "calibration": calibration, "force": force}
    if options.get("recover") is None and options.get("passes") is None:
        given["recover"] = REPAIR
    request = Request.read(Options(budget, **read_options(given)), None, backend, None)
    steps = _Steps.of(request.passes)
    job = Job(str(model), request, Recorder(progress))
    for note in require_distinct(request.given.texts):
        job.recorder.warn(note)
    loaded, loading = job.load(model, None)
    with tempfile.TemporaryDirectory(prefix="prunec-") as scratch:
        found = _Comparison(job, loaded, steps, Path(scratch)).run(loading)
    if path is not None:
        write_text(path, found.to_json())
    return found


def require_several(calibration: object) -> None:
    """Refuse fewer than two named texts.

    Raises:
        InputError: there are fewer, or one without a name.
    """
    count = len(calibration) if isinstance(calibration, Mapping) else int(calibration is not None)
    if count < 2:
        raise InputError(
            f"{count} calibration texts cannot be compared" if count != 1 else "one calibration text is no comparison",
            "give two or more by name: --calibration prose=a.txt --calibration code=b.txt",
        )


@dataclass(frozen=True)
class _Steps:
    """A compile's pipeline, taken apart.

    Attributes:
        calibrate, evaluate: for each text, and for each plan on all texts.
        shared: what no text changes.
        own: what is run for each plan.
    """

    calibrate: tuple[Pass, ...]
    shared: tuple[Pass, ...]
    own: tuple[Pass, ...]
    evaluate: tuple[Pass, ...]

    @staticmethod
    def of(passes: Sequence[Pass]) -> _Steps:
        """The steps of `passes`, without those that emit, time and judge.

        Raises:
            InputError: they do not read text, remove and measure.
        """
        names = {item.name for item in passes}
        lacking = [name for name in ("calibrate", "remove", "evaluate") if name not in names]
        if lacking:
            raise InputError(f"the passes compare nothing without {' and '.join(lacking)}", "add it to them")
        shared = ("structure", "baseline", "cost")
        after = ("plain-export", "rival", "evaluate", "weakness", "outlook")
        apart = ("calibrate", *shared, "settle", "smooth", "emit", "verify", *after)
        return _Steps(
            calibrate=tuple(item for item in passes if item.name == "calibrate"),
            shared=tuple(item for item in passes if item.name in shared),
            own=tuple(item for item in passes if item.name not in apart),
            evaluate=tuple(item for item in passes if item.name == "evaluate"),
        )

    def recovery(self) -> tuple[Pass, ...]:
        """What is run between removal and measurement, but for recovery that is asked to do nothing."""
        after = self.own[[item.name for item in self.own].index("remove") + 1 :]
        return tuple(item for item in after if getattr(item, "method", "") != "none")


@dataclass(frozen=True)
class _Comparison:
    """One comparison under way."""

    job: Job
    loaded: Loaded
    steps: _Steps
    scratch: Path

    def run(self, loading: Stage) -> Sensitivity:
        """Read all texts first, so that one that cannot be used fails first; then measure what all plans share."""
        facts = self.job.request.facts(self.loaded)
        corpora = self._corpora(facts)
        common = self._run(self.steps.shared, self.loaded.program, facts)
        if Plan in common.facts:
            budget = self.job.request.options.budget
            raise InputError(f"the dense model is within the budget of {budget}: nothing would go", "ask for less")
        everything = joined(corpora)
        pooled = joined({name: corpus.share(len(corpora)) for name, corpus in corpora.items()})
        by = {**corpora, POOLED: pooled}
        made = {name: self._plan(name, corpus, everything, common.facts) for name, corpus in by.items()}
        return self._report(corpora, made, common.facts.having(everything), (loading, *common.stages))

    def _corpora(self, facts: Facts) -> dict[str, Corpus]:
        """Each text alone."""
        corpora = {}
        for name, text in self.job.request.given.texts.items():
            alone = facts.having(replace(facts[TextSource], texts={"": text}))
            corpora[name] = self._run(self.steps.calibrate, self.loaded.program, alone, name).facts[Corpus]
        return corpora

    def _plan(self, name: str, corpus: Corpus, everything: Corpus, facts: Facts) -> tuple[Plan, PlanOutcome]:
        """The plan by `corpus`, and how well the program without what it removes does on `everything`."""
        slim = self._run(self.steps.own, self.loaded.program, facts.having(corpus), name)
        measured = self._run(self.steps.evaluate, slim.program, slim.facts.having(everything), name)
        plan = slim.facts[Plan]
        return plan, PlanOutcome(
            name,
            counts(facts[Structure], plan),
            plan.sublayers,
            slim.program.parameter_count(),
            plan.predicted_cost,
            plan.predicted_damage,
            tuple(text_loss(text, quality) for text, quality in measured.facts[Quality].named.items()),
            tuple(map(stage_of, (*slim.stages, *measured.stages))),
        )

    def _run(self, steps: tuple[Pass, ...], program: Program, facts: Facts, about: str = "") -> PipelineResult:
        """Run `steps`; `about` is what progress names."""
        job = replace(self.job, recorder=self.job.recorder.about(about))
        return job.run(program, steps, facts, self.scratch)

    def _report(
        self,
        corpora: Mapping[str, Corpus],
        made: Mapping[str, tuple[Plan, PlanOutcome]],
        facts: Facts,
        stages: Sequence[Stage],
    ) -> Sensitivity:
        program, options = self.loaded.program, self.job.request.options
        objective = with_labels(facts[Goal].objective, facts[Corpus].report)
        return Sensitivity(
            prunec=prunec.__version__,
            source=program.provenance.source,
            model_class=program.provenance.model_class,
            task=self.loaded.task.name,
            parameters=program.parameter_count(),
            budget=str(options.budget),
            workload=str(facts[Target].workload),
            machine=machine_of(facts[Target].workload.threads),
            pipeline=to_text([*self.steps.shared, *self.steps.calibrate, *self.steps.own, *self.steps.evaluate]),
            recovery=to_text(self.steps.recovery()),
            given=options.settings(),
            texts={name: data_of(corpus) for name, corpus in corpora.items()},
            metric=objective.report_unit,
            higher_is_better=objective.higher_is_better,
            plans=tuple(outcome for _, outcome in made.values()),
            overlaps=overlaps(facts[Structure], {name: plan for name, (plan, _) in made.items()}),
            stages=tuple(map(stage_of, stages)),
            seconds=time.perf_counter() - self.job.started,
            warnings=tuple(self.job.recorder.warnings),
        )
