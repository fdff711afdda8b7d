"""The driver: a model and a budget in, a proven artifact and its report out."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from torch import Tensor, nn

from prunec import catalogue
from prunec.calibration.corpus import check_sequence
from prunec.calibration.objective import Goal, objective
from prunec.calibration.sources import read_texts
from prunec.calibration.textsource import TextSource
from prunec.cost.target import Target, Verdict
from prunec.cost.workload import Workload
from prunec.errors import InputError
from prunec.facts import Dense, Plan
from prunec.frontends.huggingface import load
from prunec.frontends.loaded import Loaded
from prunec.frontends.module import trace
from prunec.ir.program import Program
from prunec.options import Options, check_output, command_text, parse_budget, report_path
from prunec.passbase import Context, Facts, Pass, Progress, Silent
from prunec.pipeline import PipelineResult, Stage, parse, run_pipeline, to_text
from prunec.pipeline.memory import PeakMemory
from prunec.report.build import build_report
from prunec.report.data import Report

SEQUENCE = 128
"""Tokens of the default workload, and the least and usual length of calibration windows."""
LONGEST_WINDOW = 512


@dataclass(frozen=True)
class CompileResult:
    """What a compile made.

    Attributes:
        artifact: where the artifact is; None where no output was asked for or the budget was missed.
        report: everything measured.
        program: the slim program, runnable and exportable.
        plan: what was removed.
    """

    artifact: Path | None
    report: Report
    program: Program
    plan: Plan


def compile(
    model: str | os.PathLike[str] | nn.Module,
    output: str | os.PathLike[str] | None = None,
    *,
    budget_latency: str | float | None = None,
    speedup: str | float | None = None,
    budget_params: str | float | None = None,
    budget_size: str | float | None = None,
    example_inputs: Mapping[str, Tensor] | None = None,
    batches: Sequence[Mapping[str, Tensor]] | None = None,
    backend: str = "onnx",
    progress: Progress | None = None,
    **options: Any,
) -> CompileResult:
    """Prune a model until its artifact holds the budget, and prove it.

    Args:
        model: a Hugging Face directory, or any module with `example_inputs`.
        output: the artifact to write; its suffix chooses the backend. None writes nothing.
        budget_latency: milliseconds, or text such as `20ms`.
        speedup: a factor over the dense artifact.
        budget_params: parameters, or text such as `80M`.
        budget_size: bytes of the artifact, or text such as `200MB`. Exactly one budget is given.
        example_inputs: for a module, its keyword inputs by name; sizes of at least 2 become dynamic axes.
        batches: calibration data as inputs of the model, in the place of text.
        backend: the artifact kind that is measured where there is no `output`.
        progress: where to report; silent by default.
        options: the other fields of `prunec.options.Options`, such as `calibration` or `importance`.

    Raises:
        PrunecError: as one line that says what, where and how to mend it. A budget that is missed
            after all rounds is no error here: see `report.budget.held`; nothing is written then.
    """
    started = time.perf_counter()
    budget = parse_budget(latency=budget_latency, speedup=speedup, params=budget_params, size=budget_size)
    settings = Options(budget, **_paths(options))
    target_path = Path(output) if output is not None else None
    if target_path is not None:
        check_output(target_path, settings.force)
    kind = catalogue.backend_for(target_path) if target_path else catalogue.find_backend(backend)
    documents = read_texts(settings.calibration, settings.seed) if settings.calibration else None
    passes = parse(_pipeline_text(settings, documents is not None or batches is not None), catalogue.find_pass)
    _check_pipeline(passes, target_path)
    reporter = progress or Silent()
    loaded, stage = _load(model, example_inputs, settings, reporter)
    workload = _workload(settings, loaded)
    facts = _facts(settings, loaded, workload, kind, target_path, documents, batches)
    for note in loaded.notes:
        reporter.warn(note)
    with tempfile.TemporaryDirectory(prefix=".prunec-", dir=_scratch_parent(target_path)) as scratch:
        cache = settings.cache or platformdirs.user_cache_path("prunec")
        warnings = _Warnings(reporter, [*loaded.notes])
        context = Context(Path(scratch), Path(cache), settings.seed, warnings)
        end = getattr(reporter, "end", None)
        result = run_pipeline(
            loaded.program,
            passes,
            context,
            facts=facts,
            givers=catalogue.givers,
            dump_ir=settings.dump_ir,
            on_stage=(lambda item: end(item.name, item.seconds, item.log, item.round)) if end else None,
        )
        return _finish(
            model, target_path, settings, workload, passes, result, stage, warnings.lines, Path(scratch), started
        )


class _Warnings:
    """Progress that remembers its warnings for the report."""

    def __init__(self, inner: Progress, lines: list[str]) -> None:
        self._inner = inner
        self.lines = lines

    def item(self, text: str, done: int, total: int) -> None:
        self._inner.item(text, done, total)

    def note(self, text: str) -> None:
        self._inner.note(text)

    def warn(self, text: str) -> None:
        self.lines.append(text)
        self._inner.warn(text)


def default_pipeline(importance: str | None = None, recover: str = "lsq", *, text_given: bool = False) -> str:
    """The text of the default pipeline.

    Text that the user gave is read first, so that it fails first; text that the model must write comes
    after the floor is known.
    """
    criterion = f"importance{{{importance}}}" if importance else "importance"
    measure = ["baseline", "cost"]
    order = ["calibrate", *measure] if text_given else [*measure, "calibrate"]
    rest = [criterion, "damage", "knapsack", "remove", f"recover{{{recover}}}", "emit", "verify", "evaluate"]
    return ", ".join(["structure", *order, *rest])


def _pipeline_text(settings: Options, text_given: bool) -> str:
    if settings.passes is None:
        return default_pipeline(settings.importance, settings.recover, text_given=text_given)
    if settings.importance is not None:
        raise InputError("--importance and --passes are both given", "write importance{...} into the passes")
    return settings.passes


def _check_pipeline(passes: Sequence[Pass], output: Path | None) -> None:
    names = [item.name for item in passes]
    lacking = [name for name in ("emit", "verify") if name not in names]
    if output is not None and lacking:
        raise InputError(
            f"the passes write {output.name} without {' and '.join(lacking)}, so no budget would be proven",
            "let them end with emit, verify",
        )


def _paths(options: Mapping[str, Any]) -> dict[str, Any]:
    named = {"calibration", "dump_ir", "cache"}
    return {name: Path(value) if name in named and value is not None else value for name, value in options.items()}


def _load(
    model: str | os.PathLike[str] | nn.Module,
    example_inputs: Mapping[str, Tensor] | None,
    settings: Options,
    progress: Progress,
) -> tuple[Loaded, Stage]:
    progress.item("loading and tracing the model", 0, 0)
    started = time.perf_counter()
    with PeakMemory() as memory:
        if isinstance(model, nn.Module):
            if example_inputs is None:
                raise InputError("a module is given without example_inputs", "give its keyword inputs by name")
            loaded = trace(model, example_inputs, task=settings.task)
        else:
            loaded = load(Path(model), settings.task, settings.trust_remote_code)
    seconds = time.perf_counter() - started
    log = f"{loaded.program.provenance.model_class} for {loaded.task.name}, {len(loaded.program.graph.nodes)} nodes"
    stage = Stage("load", "load", seconds, memory.peak_bytes, log, False, 1)
    if end := getattr(progress, "end", None):
        end("load", seconds, log)
    return loaded, stage


def _workload(settings: Options, loaded: Loaded) -> Workload:
    longest = loaded.max_sequence or SEQUENCE
    text = settings.workload or f"{loaded.task.phase}:1x{min(SEQUENCE, longest)}"
    workload = Workload.parse(text, settings.threads)
    if workload.phase != loaded.task.phase:
        raise InputError(
            f"workload '{text}' is of the phase {workload.phase}, a model for {loaded.task.name} has {loaded.task.phase}",
            f"write {loaded.task.phase}:{workload.batch}x{workload.sequence}",
        )
    check_sequence(workload.sequence, loaded.max_sequence)
    return workload


def _facts(
    settings: Options,
    loaded: Loaded,
    workload: Workload,
    kind: type[Any],
    output: Path | None,
    documents: Sequence[str] | None,
    batches: Sequence[Mapping[str, Tensor]] | None,
) -> Facts:
    facts = Facts()
    facts.put(Dense(loaded.program))
    facts.put(Goal(objective(loaded.task.objective)))
    name = output.name if output else f"artifact{kind.suffixes[0]}"
    facts.put(Target(kind(), workload, settings.budget.kind, settings.budget.value, name))
    window = min(max(workload.sequence, SEQUENCE), LONGEST_WINDOW, loaded.max_sequence or LONGEST_WINDOW)
    facts.put(
        TextSource(
            window,
            packs=loaded.task.objective == "causal-lm",
            tokenizer=loaded.tokenizer,
            batches=batches,
            documents=documents,
            description=str(settings.calibration or ""),
            writer=loaded.writer,
        )
    )
    return facts


def _scratch_parent(output: Path | None) -> Path | None:
    """Beside the output, so that the finished artifact is renamed, not copied."""
    return output.parent if output else None


def _finish(
    model: object,
    output: Path | None,
    settings: Options,
    workload: Workload,
    passes: Sequence[Pass],
    result: PipelineResult,
    loading: Stage,
    warnings: Sequence[str],
    scratch: Path,
    started: float,
) -> CompileResult:
    verdict = result.facts.get(Verdict)
    written = output if output is not None and verdict is not None and verdict.holds else None
    source = type(model).__name__ if isinstance(model, nn.Module) else str(model)
    report = build_report(
        result.program,
        result.facts,
        [loading, *result.stages],
        command=command_text(source, output, settings),
        pipeline=to_text(passes),
        given=settings.settings(),
        resolved={"workload": str(workload), "threads": workload.threads, "pipeline": to_text(passes)},
        warnings=warnings,
        artifact=str(written) if written else None,
        seconds=time.perf_counter() - started,
    )
    if written is not None:
        _publish(scratch / "artifact", written)
        report.write(report_path(written))
    return CompileResult(written, report, result.program, result.facts.get(Plan) or Plan({}))


def _publish(folder: Path, output: Path) -> None:
    """Move the artifact into place: side files first, so that the artifact never lacks them."""
    for file in sorted(folder.iterdir(), key=lambda file: file.name == output.name):
        file.replace(output.with_name(file.name))
