"""The report as one page in the terminal, to be read in ten seconds, and as one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prunec.report import units
from prunec.report.checkpoint import Checkpoint, Uniformity
from prunec.report.data import Checks, Layer, Loss, Quantised, Report, TextLoss
from prunec.report.layers import picture

WIDEST = 100
MOST_STAGES = 3
MOST_WARNINGS = 5
MOST_TEXTS = 6


def print_report(report: Report, console: Console, report_file: Path | None = None) -> None:
    """Print the page: what came of the budget, before and after, what is left of each layer, where time went."""
    console.width = min(console.width, WIDEST)
    console.print(Text(headline(report), "bold green" if report.budget.held else "bold red"), highlight=False)
    console.print()
    console.print(_before_and_after(report))
    if report.layers and not report.unpruned:
        console.print()
        console.print(picture(report.layers))
    console.print()
    console.print(_notes(report))
    for line in _paths(report, report_file):
        console.print(Text(line), highlight=False, soft_wrap=True)
    for line in warnings(report):
        console.print(Text.assemble(("warning: ", "bold yellow"), line), highlight=False)


def headline(report: Report) -> str:
    """One sentence: whether the budget holds, what was asked, what is, what was."""
    if not report.budget.held:
        return f"Budget MISSED: {_asked_and_achieved(report)}"
    if report.unpruned:
        return f"Budget held by the dense model, nothing removed: {_asked_and_achieved(report)}"
    return f"Budget held: {_asked_and_achieved(report)}"


def caveats(report: Report) -> list[str]:
    """What a reader must know to trust the numbers, the default calibration text first."""
    lines = list(report.warnings)
    if report.data is not None and report.data.is_default:
        lines.insert(0, "calibrated on built-in text; give --calibration FILE with text like your own")
    return [*lines, *_outdone(report)]


def _outdone(report: Report) -> list[str]:
    """That quantisation alone is both faster than removal and nearer to the dense model, where it is."""
    rival, loss = report.rival, report.loss
    if rival is None or loss is None or rival.speedup < rival.slim_speedup:
        return []
    own, other = (abs(item.slim - item.dense) for item in (loss.texts[0], rival.texts[0]))
    advice = f"the dense model in {rival.dtype} is faster than the artifact and loses less"
    return [f"{advice}: give --dtype {rival.dtype}"] if other < own else []


def warnings(report: Report) -> list[str]:
    """The first of `caveats`, as many as a screen has room for."""
    lines = caveats(report)
    if len(lines) > MOST_WARNINGS:
        lines[MOST_WARNINGS - 1 :] = [f"{len(lines) - MOST_WARNINGS + 1} more warnings are in the report"]
    return lines


def _asked_and_achieved(report: Report) -> str:
    budget, latency, model = report.budget, report.latency, report.model
    if budget.unit == "ms" and latency is not None:
        dense, slim = units.milliseconds(latency.dense.median_ms), units.milliseconds(latency.slim.median_ms)
        if budget.kind == "speedup":
            asked, measured = units.distinct(budget.asked, latency.speedup, units.factor)
            return f"{asked} asked, {measured} measured ({dense} → {slim})"
        asked, measured = units.distinct(budget.target, budget.achieved, units.milliseconds)
        return f"{asked} asked, {measured} measured (dense {dense}, {units.factor(latency.speedup)})"
    form, dense_value = (
        (units.size, model.bytes_dense) if budget.unit == "bytes" else (units.count, model.parameters_dense)
    )
    asked, kept = units.distinct(budget.target, budget.achieved, form)
    noun = "" if budget.unit == "bytes" else " parameters"
    return f"{asked}{noun} asked, {kept} kept (dense {form(dense_value)})"


def _before_and_after(report: Report) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    for _ in range(3):
        table.add_column(justify="right", no_wrap=True)
    table.add_column()
    table.add_row("", Text("dense", "dim"), Text("slim", "dim"))
    if (latency := report.latency) is not None:
        pair = units.milliseconds(latency.dense.median_ms), units.milliseconds(latency.slim.median_ms)
        table.add_row("latency", *pair, units.factor(latency.speedup), Text(_latency_note(report), "dim"))
    model = report.model
    parameters = model.parameters_dense, model.parameters_slim
    table.add_row("parameters", *map(units.count, parameters), units.change(*parameters))
    note = f"file {units.size(model.artifact_bytes)}" if model.artifact_bytes is not None else ""
    sizes = model.bytes_dense, model.bytes_slim
    table.add_row("weights", *map(units.size, sizes), units.change(*sizes), Text(note, "dim"))
    if report.loss is not None:
        _add_losses(table, report.loss)
    return table


def _latency_note(report: Report) -> str:
    assert report.latency is not None
    known = [("predicted", report.latency.predicted_ms), ("floor", report.latency.floor_ms)]
    return ", ".join(f"{name} {units.milliseconds(value)}" for name, value in known if value is not None)


def _add_losses(table: Table, loss: Loss) -> None:
    for item in loss.texts[:MOST_TEXTS]:
        numbers = f"{item.dense:.3f}", f"{item.slim:.3f}", units.signed(item.slim - item.dense, 3)
        name = ("accuracy" if item.slim_range else "loss") if item is loss.texts[0] else ""
        table.add_row(name, *numbers, Text(loss_note(item), "dim"))
    if len(loss.texts) > MOST_TEXTS:
        table.add_row("", "", "", "", Text(f"{len(loss.texts) - MOST_TEXTS} more texts in the report", "dim"))


def loss_note(item: TextLoss) -> str:
    """The unit of a loss and its text; of an accuracy also what it lies between."""
    if not item.slim_range:
        return f"{item.metric}, {item.name}"
    between = " to ".join(f"{edge:.3f}" for edge in item.slim_range)
    return f"higher is better; slim between {between} (95 %, {item.tokens:,} texts), {item.name}"


def _notes(report: Report) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, width=8)
    table.add_column()
    threads = report.workload.threads
    table.add_row("workload", f"{report.workload.text}, {threads} thread{'s' * (threads != 1)}")
    if (data := report.data) is not None:
        amount = data.tokens_score + data.tokens_choose + data.tokens_report
        table.add_row(data.kind, f"{data.description}, {amount:,} {data.unit}")
    if repaired := repair(report.layers):
        table.add_row("recovery", repaired)
    if gained := rewrites(report):
        table.add_row("rewrites", gained)
    if quantised := rival_line(report.rival):
        table.add_row("rival", quantised)
    if compared := errors(report.checks):
        table.add_row("checks", compared)
    if report.checkpoint is not None:
        table.add_row("loads", loading(report.checkpoint))
    if report.uniformity is not None:
        table.add_row("uniform", price(report.uniformity))
    table.add_row("time", _time(report))
    table.add_row("memory", f"{units.size(report.peak_memory_bytes)} at most")
    return table


def loading(found: Checkpoint) -> str:
    """What loads a checkpoint, how exactly, and what was timed in its place."""
    who = "with from_pretrained and prunec.load" if found.stock else f"with prunec.load alone: {found.why}"
    return f"{who}; differs by {found.error:.0e} (at most {found.tolerance:.0e}); timed as a file on {found.timed_on}"


def price(found: Uniformity) -> str:
    """What it cost that every layer keeps the same."""
    return f"damage {found.damage:.3g} predicted, {found.free_damage:.3g} where layers may differ ({found.unit})"


def _paths(report: Report, report_file: Path | None) -> list[str]:
    """One line a path, never cut or wrapped, so that it can be copied."""
    paths = {"artifact": report.model.artifact or "nothing was written", "report": report_file}
    return [f"{name:<8}  {path}" for name, path in paths.items() if path is not None]


def errors(checks: Checks) -> str:
    """How far the slim program is from what it was compared with; empty where it was with nothing."""
    what = "artifact" if checks.rounding is None else "artifact in fp32"
    compared = [("masked dense", checks.slim_vs_masked), (what, checks.artifact_vs_slim)]
    found = ", ".join(f"{name} {error:.0e}" for name, error in compared if error is not None)
    rounded = "" if checks.rounding is None else f"; rounding is {checks.rounding:.1%} of the outputs"
    return f"slim against {found} (at most {checks.tolerance:.0e}){rounded}" if found else ""


def repair(layers: Sequence[Layer]) -> str:
    """Where recovery changed weights, and what that did in the middle; empty where nothing was changed."""
    recovered = sum(layer.recovered for layer in layers)
    if not recovered:
        return ""
    places = f"kept in {recovered} of {sum(not layer.dropped for layer in layers)} places"
    known = [layer.missing for layer in layers if layer.missing]
    if not known:
        return places
    before, after = map(median, zip(*known, strict=True))
    return f"{places}; what an output misses, in the middle {before:.1%} before and {after:.1%} after"


def rewrites(report: Report) -> str:
    """What lossless rewrites gave before anything was removed; empty where it was not timed."""
    plain = report.plain_export
    if plain is None:
        return ""
    return f"{units.factor(plain.speedup)} over a plain export of {units.milliseconds(plain.latency.median_ms)}"


def rival_line(rival: Quantised | None) -> str:
    """What the dense model quantised takes and loses; empty where it was not made."""
    if rival is None:
        return ""
    text = rival.texts[0]
    loss = f"{'accuracy' if text.slim_range else 'loss'} {text.slim:.3f} ({units.signed(text.slim - text.dense, 3)})"
    speed = f"{units.milliseconds(rival.latency.median_ms)}, {units.factor(rival.speedup)}"
    beside = f"slim {units.factor(rival.slim_speedup)} in the same turns"
    return f"dense in {rival.dtype}, nothing removed: {speed} ({beside}), {loss}, {units.size(rival.artifact_bytes)}"


def _time(report: Report) -> str:
    """The whole, then the stages that took most of it; a stage's rounds are added up."""
    spent: dict[str, float] = {}
    for stage in report.stages:
        spent[stage.name] = spent.get(stage.name, 0.0) + stage.seconds
    longest = sorted(spent, key=lambda name: -spent[name])[:MOST_STAGES]
    parts = " · ".join(f"{name} {units.duration(spent[name])}" for name in longest)
    return f"{units.duration(report.seconds)}: {parts}" if parts else units.duration(report.seconds)
