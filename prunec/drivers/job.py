"""What every run of the driver does: load the model as a stage, run passes, remember warnings."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs
from torch import Tensor, nn

from prunec import catalogue
from prunec.drivers.request import Request, has_cache, traced_sizes
from prunec.errors import InputError
from prunec.frontends.huggingface import load
from prunec.frontends.loaded import Loaded
from prunec.frontends.module import trace
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, Progress, Silent
from prunec.pipeline import PipelineResult, Stage, run_pipeline
from prunec.pipeline.memory import PeakMemory
from prunec.texts import as_texts

Model = str | os.PathLike[str] | nn.Module


def read_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords for `Options`, with paths where a caller may have given text."""
    paths = dict.fromkeys(("dump_ir", "cache", "path", "save_path"), Path)
    kinds: dict[str, Callable[[Any], object]] = {"calibration": as_texts, **paths}
    return {
        name: kinds[name](value) if name in kinds and value is not None else value for name, value in options.items()
    }


class Recorder:
    """Progress that remembers its warnings for the report, and passes on stages to progress that shows them.

    Args:
        inner: where to report; None is nowhere.
        about: what the work is about, named before all that is said; empty where there is only one thing to do.
    """

    def __init__(self, inner: Progress | None, about: str = "") -> None:
        self._inner = inner or Silent()
        self._about = f"{about}: " if about else ""
        self.warnings: list[str] = []

    def about(self, name: str) -> Recorder:
        """The same for work about `name`; warnings are remembered in one place."""
        found = Recorder(self._inner, name)
        found.warnings = self.warnings
        return found

    def apart(self, name: str) -> Recorder:
        """The same for work about `name`, whose warnings are remembered after those so far, and nowhere else."""
        found = Recorder(self._inner, name)
        found.warnings = list(self.warnings)
        return found

    def item(self, text: str, done: int, total: int) -> None:
        self._inner.item(self._about + text, done, total)

    def note(self, text: str) -> None:
        self._inner.note(self._about + text)

    def warn(self, text: str) -> None:
        self.warnings.append(self._about + text)
        self._inner.warn(self._about + text)

    def end(self, stage: Stage) -> None:
        """A stage is over."""
        if end := getattr(self._inner, "end", None):
            end(self._about + stage.name, stage.seconds, stage.log, stage.round)


@dataclass(frozen=True)
class Job:
    """One run of the driver under way.

    Attributes:
        source: the model as a command names it.
        request: what is asked for.
        recorder: where to report.
        started: on the clock of `time.perf_counter`.
    """

    source: str
    request: Request
    recorder: Recorder
    started: float = field(default_factory=time.perf_counter)

    def load(self, model: Model, example_inputs: Mapping[str, Tensor] | None) -> tuple[Loaded, Stage]:
        """Trace the model, as a stage.

        Raises:
            InputError: the model cannot be used, or is a module without `example_inputs`.
        """
        self.recorder.item("loading and tracing the model", 0, 0)
        started = time.perf_counter()
        with PeakMemory() as memory:
            loaded = _load(model, example_inputs, self.request)
        program = loaded.program
        log = f"{program.provenance.model_class} for {loaded.task.name}, {len(program.graph.nodes)} nodes"
        stage = Stage("load", "load", time.perf_counter() - started, memory.peak_bytes, log, False, 1)
        self.recorder.end(stage)
        for note in loaded.notes:
            self.recorder.warn(note)
        return loaded, stage

    def run(self, program: Program, passes: Sequence[Pass], facts: Facts, scratch: Path) -> PipelineResult:
        """Run `passes`; raises as `run_pipeline` does."""
        options = self.request.options
        cache = options.cache or platformdirs.user_cache_path("prunec")
        return run_pipeline(
            program,
            passes,
            Context(scratch, cache, options.seed, self.recorder),
            facts=facts,
            givers=catalogue.givers,
            dump_ir=options.dump_ir,
            on_stage=self.recorder.end,
        )


def source_name(model: Model) -> str:
    """The model as a command names it: a module by its class."""
    return type(model).__name__ if isinstance(model, nn.Module) else str(model)


def _load(model: Model, example_inputs: Mapping[str, Tensor] | None, request: Request) -> Loaded:
    options = request.options
    task, cached = options.task, has_cache(options)
    if not isinstance(model, nn.Module):
        sizes, rows = traced_sizes(options), request.given.rows
        return load(Path(model), task, options.trust_remote_code, with_cache=cached, sizes=sizes, rows=rows)
    if example_inputs is None:
        raise InputError("a module is given without example_inputs", "give its keyword inputs by name")
    return trace(model, example_inputs, task=task, with_cache=cached)
