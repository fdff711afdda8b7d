"""The driver's question to a path file: what goes under each budget, and what is that expected to cost?"""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from prunec.calibration.pathfile import Findings, load_findings
from prunec.cost.counted import counted_costs
from prunec.cost.sweep import sweep
from prunec.cost.target import Target
from prunec.drivers.default_pipeline import default_pipeline
from prunec.drivers.job import Job, Recorder, read_options
from prunec.drivers.request import Request
from prunec.errors import InputError
from prunec.facts import ADDITIVE, CostModel, Structure
from prunec.files import checked_file, write_text
from prunec.options import NO_BUDGET, Budget, BudgetKind, Options, command_text
from prunec.passbase import Progress
from prunec.report.exploration import Exploration
from prunec.report.exploration_build import Priced, build_exploration
from prunec.report.page.explore import render_exploration

BUDGETS = 48
"""How many are searched: a step of the slider is two parts in a hundred of what can go."""
FIND = "structure"


def explore(
    file: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    model: str | os.PathLike[str] | None = None,
    workload: str | None = None,
    backend: str | None = None,
    progress: Progress | None = None,
    force: bool = False,
    **options: Any,
) -> Exploration:
    """Say what every budget along a path file cuts: what goes where, the damage, and the command that does it.

    The file alone gives budgets of parameters: what a latency is, only a machine can say. With the model, budgets are
    of time, predicted from cost tables: those that a compile left in the cache, or new ones.

    Args:
        file: what `--save-path` wrote.
        output: the page to write, ending in `.html`; None writes nothing.
        model: the Hugging Face directory of the file's model.
        workload: what a latency is of, such as `encode:1x128`; None takes the usual one of the model's task.
        backend: the artifact kind that is timed; None takes ONNX.
        progress: where to report; silent by default.
        force: whether an existing page may be replaced.
        options: `threads`, `task`, `seed`, `cache` and `trust_remote_code`, as in `prunec.options.Options`.

    Raises:
        PrunecError: as one line that says what, where and how to mend it.
    """
    place, path = checked_file(output, ".html", "pages are", force), Path(file)
    findings = load_findings(path)
    given = {"workload": workload, **read_options(options)}
    recorder = Recorder(progress)
    if model is None:
        priced = _counted(findings, path, {"backend": backend, **given})
    else:
        priced = _measured(findings, path, Job(str(model), _request(findings, backend or "onnx", given), recorder))
    plans = sweep(priced.structure, findings.facts, priced.costs, BUDGETS, recorder)
    if len(plans) < 2:
        raise InputError(
            f"no budget of {priced.costs.unit} removes anything of {path}", "look for other kinds of units"
        )
    source = str(model) if model is not None else findings.source
    asked = partial(_options, findings, path, priced, given)
    output = f"slim{priced.target.backend.suffixes[0] if priced.target else '.onnx'}"
    commands = {budget: command_text(source, output, asked(budget)) for budget in plans}
    found = build_exploration(path, source, findings, priced, plans, commands, tuple(recorder.warnings))
    if place is not None:
        write_text(place, render_exploration(found))
    return found


def _counted(findings: Findings, path: Path, given: dict[str, Any]) -> Priced:
    """By the parameters that the file counts.

    Raises:
        InputError: the file counts none, or an option asks for a model.
    """
    asked = next((name for name, value in given.items() if name != "cache" and value), None)
    if asked is not None:
        raise InputError(f"--{asked.replace('_', '-')} is given, and no model to time", "name it with --model DIR")
    if findings.outline is None:
        raise InputError(
            f"{path} does not say what its parts count, as files of an older prunec",
            "name its model with --model DIR, or make it again with --save-path",
        )
    return Priced(findings.outline.structure, findings.outline.parameters)


def _request(findings: Findings, backend: str, given: dict[str, Any]) -> Request:
    passes = f"{FIND}{_kinds(findings)}, baseline, cost"
    return Request.read(Options(NO_BUDGET, passes=passes, **given), None, backend, None)


def _measured(findings: Findings, path: Path, job: Job) -> Priced:
    """By the cost tables of the model that `job` is about.

    Raises:
        InputError: the file is of another model or of other units.
    """
    loaded, _ = job.load(job.source, None)
    facts = job.request.facts(loaded)
    find, measure = job.request.passes[:1], job.request.passes[1:]
    with tempfile.TemporaryDirectory(prefix="prunec-") as scratch:
        facts = job.run(loaded.program, find, facts, Path(scratch)).facts
        findings.require_fit(loaded.program, facts[Structure], path)
        facts = job.run(loaded.program, measure, facts, Path(scratch)).facts
    parameters = counted_costs(loaded.program, facts[Structure], "parameters")
    return Priced(facts[Structure], parameters, facts[CostModel], facts[Target])


def _options(findings: Findings, path: Path, priced: Priced, given: dict[str, Any], budget: float) -> Options:
    """What a compile is asked for that cuts at `budget`."""
    kind: BudgetKind = "latency_ms" if priced.target else "parameters"
    settings = Options(
        Budget(kind, budget),
        path=path,
        **{**given, "workload": str(priced.target.workload) if priced.target else None},
    )
    if not (kinds := _kinds(findings)):
        return settings
    passes = default_pipeline(settings).replace(FIND, f"{FIND}{kinds}", 1)
    return Options(settings.budget, passes=passes, **given)


def _kinds(findings: Findings) -> str:
    """The option of `structure` that finds the file's units again; empty where the usual kinds do."""
    outline = findings.outline
    kinds = dict.fromkeys(family.kind for family in outline.structure.families) if outline else {}
    return f"{{kinds={'|'.join(kinds)}}}" if kinds.keys() - set(ADDITIVE) else ""
