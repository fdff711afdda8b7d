"""What a reader decides by, and what repeats the compile, as tables of words."""

from __future__ import annotations

import json
from collections.abc import Mapping

from prunec.report.data import BudgetOutcome, Report
from prunec.report.latency import Latency
from prunec.report.page.chart import Grid
from prunec.report.terminal import errors, loading, loss_note, price, rewrites, rival_line
from prunec.report.units import change, count, duration, factor, milliseconds, signed, size

NONE = "\N{EN DASH}"


def before_and_after(report: Report) -> Grid:
    """Latency, parameters, bytes and each loss, dense and slim; what was not measured is said to be so."""
    model = report.model
    parameters, weights = (model.parameters_dense, model.parameters_slim), (model.bytes_dense, model.bytes_slim)
    rows = [
        *_latency_rows(report),
        ("parameters", *map(count, parameters), change(*parameters), ""),
        ("weights", *map(size, weights), change(*weights), _file_note(report)),
        *_loss_rows(report),
    ]
    return Grid(("", "dense", "slim", "change", ""), tuple(rows))


def _latency_rows(report: Report) -> list[tuple[str, ...]]:
    latency = report.latency
    if latency is None:
        return [("latency", NONE, NONE, "", "not measured: this pipeline has no such stage")]
    dense, slim = latency.dense, latency.slim
    return [
        (
            "latency, median",
            milliseconds(dense.median_ms),
            milliseconds(slim.median_ms),
            f"{factor(latency.speedup)} as fast",
            _latency_note(latency),
        ),
        ("20th percentile", milliseconds(dense.p20_ms), milliseconds(slim.p20_ms), "", ""),
        (
            "95th percentile",
            milliseconds(dense.p95_ms),
            milliseconds(slim.p95_ms),
            "",
            _tail(report.budget, slim.p95_ms),
        ),
    ]


def _latency_note(latency: Latency) -> str:
    floor = f", floor {milliseconds(latency.floor_ms)}" if latency.floor_ms is not None else ""
    return f"{latency.slim.samples} requests{floor}"


def _tail(budget: BudgetOutcome, p95: float) -> str:
    """How the slow requests stand to a budget of time, which is on the median."""
    if budget.unit != "ms":
        return ""
    where = "within" if p95 <= budget.target else "above"
    return f"{where} the {milliseconds(budget.target)} that the median has to hold"


def _file_note(report: Report) -> str:
    size_now = report.model.artifact_bytes
    return f"file {size(size_now)}" if size_now is not None else "nothing was written"


def _loss_rows(report: Report) -> list[tuple[str, ...]]:
    if report.loss is None:
        return [("loss", NONE, NONE, "", "not measured: this pipeline has no such stage")]
    return [
        (
            "accuracy" if item.slim_range else "loss",
            f"{item.dense:.3f}",
            f"{item.slim:.3f}",
            signed(item.slim - item.dense, 3),
            loss_note(item),
        )
        for item in report.loss.texts
    ]


def circumstances(report: Report) -> Grid:
    """The model, the text, the machine and what was checked."""
    model, machine, threads = report.model, report.machine, report.workload.threads
    rows = [
        ("model", f"{model.source} ({model.model_class}, {model.task})"),
        ("artifact", model.artifact or "nothing was written"),
        ("workload", f"{report.workload.text}, {threads} thread{'s' * (threads != 1)}"),
        *_data_rows(report),
        *([("searched by", report.loss.objective)] if report.loss else []),
        ("rewrites", rewrites(report) or "not timed: this pipeline has no such stage, or its backend none"),
        ("rival", rival_line(report.rival) or "not made: this pipeline has no such stage, or its runtime no int8"),
        ("checks", errors(report.checks) or "nothing was compared"),
        *([("loads", loading(report.checkpoint))] if report.checkpoint else []),
        *([("uniform", price(report.uniformity))] if report.uniformity else []),
        ("machine", f"{machine.cpu}, {machine.cores} cores, {size(machine.memory_bytes)}, {machine.system}"),
        ("compiled", f"{report.created} by prunec {report.prunec} in {duration(report.seconds)}"),
        ("memory", f"{size(report.peak_memory_bytes)} at most"),
    ]
    return Grid(("", ""), tuple(rows))


def _data_rows(report: Report) -> list[tuple[str, str]]:
    data = report.data
    if data is None:
        return [("text", "none: this pipeline has no such stage")]
    unit, kind = data.unit, data.kind
    uses = f"{data.tokens_score:,} {unit} to score, {data.tokens_choose:,} to choose, {data.tokens_report:,} to report"
    return [
        (kind, data.description),
        (unit, uses),
        (f"hash of the {kind}", data.hash),
        *((f"note on the {kind}", note) for note in data.notes),
    ]


def settings(report: Report) -> Grid:
    """Every option as given and as used."""
    names = dict.fromkeys([*report.given, *report.resolved])
    used = {**report.given, **report.resolved}
    rows = ((name, _value(report.given, name), _value(used, name)) for name in names)
    return Grid(("option", "given", "used"), tuple(rows))


def versions(report: Report) -> Grid:
    """What shaped the result, by version."""
    return Grid(("package", "version"), tuple(report.versions.items()))


def _value(options: Mapping[str, object], name: str) -> str:
    value = options.get(name)
    if value is None:
        return NONE
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
