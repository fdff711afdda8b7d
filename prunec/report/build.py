"""From the facts of a finished pipeline to its report."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import psutil
from torch import Tensor

import prunec
from prunec.calibration.batching import Batch
from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal
from prunec.calibration.tokens import token_count
from prunec.cost.cache import cpu_model
from prunec.cost.measure import Timing, paired_ratio
from prunec.cost.target import Artifact, Baseline, PlainExport, Rival, Target, Verdict
from prunec.facts import Ceiling, Damage, Dense, Equivalence, Outlook, Plan, Quality
from prunec.ir.program import Program
from prunec.passbase import Facts
from prunec.pipeline import PipelineResult, Stage
from prunec.report import data, outlook
from prunec.report.checkpoint import Uniformity
from prunec.report.latency import Latency, Measured, Round
from prunec.report.layers_build import build_layers

PACKAGES = ("torch", "transformers", "onnx", "onnxruntime", "onnxscript", "onnx-ir", "optimum", "numpy", "scipy")


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What a report says besides what the pipeline's facts say: see `data.Report` for each; `loading` is the stage."""

    command: str
    pipeline: str
    given: Mapping[str, object]
    resolved: Mapping[str, object]
    warnings: tuple[str, ...]
    artifact: str | None
    loading: Stage
    seconds: float


def build_report(result: PipelineResult, circumstances: Circumstances) -> data.Report:
    """Gather everything that a stranger needs to judge and repeat the compile."""
    program, facts = result.program, result.facts
    target, stages = facts[Target], [circumstances.loading, *result.stages]
    return data.Report(
        prunec=prunec.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=circumstances.command,
        pipeline=circumstances.pipeline,
        given=circumstances.given,
        resolved=circumstances.resolved,
        versions=_versions(),
        machine=machine_of(target.workload.threads),
        model=_model(program, facts, circumstances.artifact),
        data=data_of(facts[Corpus]) if Corpus in facts else None,
        workload=data.Workload(str(target.workload), target.workload.threads),
        budget=_budget(program, facts),
        latency=_latency(facts),
        loss=_loss(facts),
        checks=_checks(facts),
        layers=build_layers(facts),
        bypassed=tuple(plan.sublayers) if (plan := facts.get(Plan)) else (),
        stages=tuple(stage_of(item) for item in stages),
        seconds=circumstances.seconds,
        peak_memory_bytes=max(item.peak_memory_bytes for item in stages),
        warnings=circumstances.warnings,
        uniformity=_uniformity(facts),
        rival=_rival(facts),
        plain_export=_plain_export(facts),
        outlook=_outlook(facts),
    )


def _uniformity(facts: Facts) -> Uniformity | None:
    plan, damage = facts.get(Plan), facts.get(Damage)
    if plan is None or damage is None or plan.predicted_damage is None or plan.free_damage is None:
        return None
    return Uniformity(plan.predicted_damage, plan.free_damage, damage.objective)


def stage_of(stage: Stage) -> data.Stage:
    """A stage as reports have it."""
    return data.Stage(stage.name, stage.round, stage.seconds, stage.peak_memory_bytes, stage.log)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine_of(threads: int) -> data.Machine:
    """This machine, with the threads that the runtime uses."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    memory = int(psutil.virtual_memory().total)
    return data.Machine(cpu_model(), cores, threads, memory, f"{platform.system()} {platform.machine()}")


def _model(program: Program, facts: Facts, artifact: str | None) -> data.Model:
    dense = facts[Dense].program
    written = facts.get(Artifact)
    return data.Model(
        source=dense.provenance.source,
        model_class=dense.provenance.model_class,
        task=dense.provenance.task,
        parameters_dense=dense.parameter_count(),
        parameters_slim=program.parameter_count(),
        bytes_dense=dense.size_bytes(),
        bytes_slim=program.size_bytes(),
        artifact=artifact,
        artifact_bytes=written.size if written else None,
    )


def data_of(corpus: Corpus) -> data.Data:
    """Calibration data as reports have it."""
    parts = (corpus.score, corpus.choose, corpus.report)
    is_text = not any(_first(batch).is_floating_point() for part in parts for batch in part)
    score, choose, report = (
        sum(token_count(batch) if is_text else len(_first(batch)) for batch in part) for part in parts
    )
    return data.Data(
        corpus.description,
        corpus.data_hash,
        score,
        choose,
        report,
        corpus.is_default,
        corpus.notes,
        unit="tokens" if is_text else "rows",
    )


def _first(batch: Batch) -> Tensor:
    return next(iter(batch.values()))


def _budget(program: Program, facts: Facts) -> data.BudgetOutcome:
    target, ceiling, verdict = facts[Target], facts.get(Ceiling), facts.get(Verdict)
    if verdict is not None and ceiling is not None:
        last = verdict.rounds[-1]
        return data.BudgetOutcome(target.kind, target.value, ceiling.unit, last.ceiling, last.measured)
    unit = ceiling.unit if ceiling else target.kind
    bound = ceiling.value if ceiling else target.value
    achieved = {"parameters": program.parameter_count(), "bytes": program.size_bytes()}.get(unit, float("inf"))
    return data.BudgetOutcome(target.kind, target.value, unit, bound, float(achieved))


def _latency(facts: Facts) -> Latency | None:
    verdict, baseline, ceiling = facts.get(Verdict), facts.get(Baseline), facts.get(Ceiling)
    if verdict is None:
        return None
    is_latency = ceiling is not None and ceiling.unit == "ms"
    rounds = tuple(
        Round(item.predicted, item.measured) for item in verdict.rounds if is_latency and item.predicted is not None
    )
    return Latency(
        measured_of(verdict.dense),
        measured_of(verdict.latency),
        paired_ratio(verdict.dense, verdict.latency),
        verdict.rounds[-1].predicted if is_latency else None,
        baseline.floor.median if baseline else None,
        rounds,
    )


def measured_of(timing: Timing) -> Measured:
    """A timing as reports have it."""
    return Measured(timing.median, timing.low, timing.p95, len(timing.samples_ms))


def _loss(facts: Facts) -> data.Loss | None:
    quality, goal, corpus = facts.get(Quality), facts.get(Goal), facts.get(Corpus)
    if quality is None or goal is None or corpus is None:
        return None
    return data.Loss(goal.objective.damage_unit, _texts(quality, corpus))


def _texts(quality: Quality, corpus: Corpus) -> tuple[data.TextLoss, ...]:
    # One named corpus alone is all of the text.
    several = quality.named if len(quality.named) > 1 else {}
    found = {", ".join(several) or corpus.description: quality, **several}
    return tuple(text_loss(name, item) for name, item in found.items())


def _rival(facts: Facts) -> data.Quantised | None:
    rival = facts.get(Rival)
    if rival is None:
        return None
    speedups = paired_ratio(rival.dense, rival.latency), paired_ratio(rival.dense, rival.slim)
    texts = _texts(rival.quality, facts[Corpus])
    return data.Quantised(rival.dtype, rival.size, measured_of(rival.latency), *speedups, texts)


def _plain_export(facts: Facts) -> data.Exported | None:
    found = facts.get(PlainExport)
    return data.Exported(measured_of(found.latency), found.speedup) if found else None


def _outlook(facts: Facts) -> outlook.Outlook | None:
    found, damage = facts.get(Outlook), facts.get(Damage)
    if found is None or damage is None:
        return None
    points = tuple(outlook.Point(*point) for point in found.points)
    return outlook.Outlook(damage.objective, outlook.Point(*found.chosen), points)


def text_loss(name: str, quality: Quality) -> data.TextLoss:
    """The quality on the text `name` as reports have it."""
    return data.TextLoss(
        name, quality.unit, quality.dense, quality.slim, quality.items, quality.dense_range, quality.slim_range
    )


def _checks(facts: Facts) -> data.Checks:
    equivalence, verdict = facts.get(Equivalence), facts.get(Verdict)
    tolerance = max(item.tolerance for item in (equivalence, verdict) if item) if equivalence or verdict else 0.0
    errors = (equivalence.error if equivalence else None, verdict.error if verdict else None)
    return data.Checks(*errors, tolerance, verdict.rounding if verdict else None)
