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
from prunec.cost.target import Target, Verdict
from prunec.errors import InputError
from prunec.facts import Plan
from prunec.files import publish
from prunec.frontends.huggingface import load
from prunec.frontends.loaded import Loaded
from prunec.frontends.module import trace
from prunec.ir.program import Program
from prunec.options import Options, command_text, parse_budget, report_path
from prunec.passbase import Context, Facts, Progress, Silent
from prunec.pipeline import PipelineResult, Stage, run_pipeline, to_text
from prunec.pipeline.memory import PeakMemory
from prunec.report.build import Circumstances, build_report
from prunec.report.data import Report
from prunec.request import Request, side_files, traced_sizes


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
    budget = parse_budget(latency=budget_latency, speedup=speedup, params=budget_params, size=budget_size)
    job = _Job(
        time.perf_counter(),
        type(model).__name__ if isinstance(model, nn.Module) else str(model),
        Request.read(Options(budget, **_paths(options)), output, backend, batches),
        _Recorder(progress or Silent()),
    )
    loaded, loading = job.load(model, example_inputs)
    facts = job.request.facts(loaded)
    # Beside the output, so that the finished artifact is renamed, not copied.
    folder = job.request.output.parent if job.request.output else None
    with tempfile.TemporaryDirectory(prefix=".prunec-", dir=folder) as scratch:
        result = job.run(loaded.program, facts, Path(scratch))
        return job.finish(result, loading, Path(scratch) / "artifact")


def _paths(options: Mapping[str, Any]) -> dict[str, Any]:
    named = {"calibration", "dump_ir", "cache"}
    return {name: Path(value) if name in named and value is not None else value for name, value in options.items()}


class _Recorder:
    """Progress that remembers its warnings for the report, and passes on stages to progress that shows them."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self.warnings: list[str] = []

    def item(self, text: str, done: int, total: int) -> None:
        self._inner.item(text, done, total)

    def note(self, text: str) -> None:
        self._inner.note(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)
        self._inner.warn(text)

    def end(self, stage: Stage) -> None:
        """A stage is over."""
        if end := getattr(self._inner, "end", None):
            end(stage.name, stage.seconds, stage.log, stage.round)


@dataclass(frozen=True)
class _Job:
    """One compile under way.

    Attributes:
        started: on the clock of `time.perf_counter`.
        source: the model as the report's command names it.
        request: what is asked for.
        recorder: where to report.
    """

    started: float
    source: str
    request: Request
    recorder: _Recorder

    def load(
        self, model: str | os.PathLike[str] | nn.Module, example_inputs: Mapping[str, Tensor] | None
    ) -> tuple[Loaded, Stage]:
        """Trace the model, as a stage."""
        self.recorder.item("loading and tracing the model", 0, 0)
        started = time.perf_counter()
        with PeakMemory() as memory:
            loaded = _load(model, example_inputs, self.request.options)
        program = loaded.program
        log = f"{program.provenance.model_class} for {loaded.task.name}, {len(program.graph.nodes)} nodes"
        stage = Stage("load", "load", time.perf_counter() - started, memory.peak_bytes, log, False, 1)
        self.recorder.end(stage)
        for note in loaded.notes:
            self.recorder.warn(note)
        return loaded, stage

    def run(self, program: Program, facts: Facts, scratch: Path) -> PipelineResult:
        """Run the passes."""
        options = self.request.options
        cache = options.cache or platformdirs.user_cache_path("prunec")
        return run_pipeline(
            program,
            self.request.passes,
            Context(scratch, cache, options.seed, self.recorder),
            facts=facts,
            givers=catalogue.givers,
            dump_ir=options.dump_ir,
            on_stage=self.recorder.end,
        )

    def finish(self, result: PipelineResult, loading: Stage, staged: Path) -> CompileResult:
        """Build the report; where the budget holds, publish it together with the files in `staged`."""
        verdict, output = result.facts.get(Verdict), self.request.output
        written = output if verdict is not None and verdict.holds else None
        report = build_report(result, self._circumstances(result, loading, written))
        if written is not None:
            report.write(staged / report_path(written).name)
            publish(staged, written, side_files(written, self.request.backend))
        return CompileResult(written, report, result.program, result.facts.get(Plan) or Plan({}))

    def _circumstances(self, result: PipelineResult, loading: Stage, written: Path | None) -> Circumstances:
        options, workload = self.request.options, result.facts[Target].workload
        pipeline = to_text(self.request.passes)
        return Circumstances(
            command=command_text(self.source, self.request.output, options),
            pipeline=pipeline,
            given=options.settings(),
            resolved={"workload": str(workload), "threads": workload.threads, "pipeline": pipeline},
            warnings=tuple(self.recorder.warnings),
            artifact=str(written) if written else None,
            loading=loading,
            seconds=time.perf_counter() - self.started,
        )


def _load(
    model: str | os.PathLike[str] | nn.Module, example_inputs: Mapping[str, Tensor] | None, options: Options
) -> Loaded:
    if not isinstance(model, nn.Module):
        return load(Path(model), options.task, options.trust_remote_code, sizes=traced_sizes(options))
    if example_inputs is None:
        raise InputError("a module is given without example_inputs", "give its keyword inputs by name")
    return trace(model, example_inputs, task=options.task)
