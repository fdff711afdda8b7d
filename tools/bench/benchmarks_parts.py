"""What each set of raw figures comes to: a few lines for the page of benchmarks, and pictures."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tools.bench.chart import Axis, Point, chart
from tools.bench.coverage_page import summary
from tools.bench.growth_page import exponent, named
from tools.bench.methods import increase
from tools.bench.methods_cases import METHODS
from tools.bench.rivals_cases import RIVALS
from tools.bench.rows import speedup, trained

Row = dict[str, Any]
Raw = Mapping[str, list[Row]]
Part = tuple[list[str], dict[str, str]]
"""Lines of Markdown, and pictures by file name."""

OURS = "prunec"


def frontier(raw: Raw) -> Part:
    """How much worse for how much faster, of all that was measured on a model."""
    lines, pictures = list[str](), dict[str, str]()
    every = [*_compiled(raw), *_rivals(raw)]
    for model in dict.fromkeys(row["model"] for row in every):
        own = sorted((row for row in every if row["model"] == model), key=lambda row: row["faster"])
        ways: dict[str, list[Point]] = defaultdict(list)
        texts = list(own[0]["increase"])
        for row in own:
            ways[row["way"]].append((row["faster"], row["increase"][texts[0]]))
        ordered = dict(sorted(ways.items(), key=lambda item: (not item[0].startswith(OURS), item[0])))
        name = f"benchmarks-{re.sub(r'[^a-z0-9]+', '-', model.lower())}.svg"
        title = f"{model}: how much worse than dense on {texts[0]}, by how much faster"
        pictures[name] = chart(title, Axis("times faster"), Axis(own[0]["metric"]), ordered, OURS)
        lines += [f"### {model}", "", f"![{title}]({name})", "", f"Worse by, in {own[0]['metric']}.", ""]
        lines += [f"| way | told | times faster | clock | {' | '.join(texts)} |", "|---" * (4 + len(texts)) + "|"]
        lines += [
            f"| {row['way']} | {row['told']} | {row['faster']:.2f} | {row['clock']} | "
            + " | ".join(f"{row['increase'][text]:.3f}" for text in texts)
            + " |"
            for row in own
        ]
        lines.append("")
    return lines, pictures


def _compiled(raw: Raw) -> Iterator[Row]:
    """Compiles that held their budget, from the tables of methods and of speed-ups."""
    for row in _compiles(raw):
        if row.get("held"):
            loss = increase(row["loss"], higher_is_better="nats" not in row["metric"])
            faster = speedup(row)
            told = f"{row['speedup_asked']:g}x asked for"
            yield {"way": row["method"], "faster": faster, "told": told, "clock": "wall", "increase": loss} | _same(row)


def _default(row: Row) -> Row:
    """A compile of the default pipeline; rows from before it trained what is left are named so."""
    return {**row, "method": OURS if trained(row) else f"{OURS}-lsq"}


def _compiles(raw: Raw) -> list[Row]:
    """The compiles of both tables, those once that both have; that of methods also has rows of where a loss is from."""
    methods = [row for row in raw["quality"] if "method" in row]
    known = {(row["model"], row["created"]) for row in methods if "created" in row}
    other = [row for row in raw["measurements"] if (row["model"], row.get("created")) not in known]
    return [*methods, *map(_default, other)]


def _rivals(raw: Raw) -> Iterator[Row]:
    for row in raw["rivals"]:
        if "loss" in row:
            told = RIVALS[row["rival"]].told.format(row["amount"])
            known = {"way": f"{row['rival']} (rivals)" if row["rival"] in METHODS else row["rival"], "told": told}
            yield known | {
                "faster": 1 / row["processor_ratio"], "clock": "processor", "increase": row["increase"]
            } | _same(row)  # fmt: skip


def _same(row: Row) -> Row:
    return {"model": row["model"], "metric": row["metric"]}


def failures(raw: Raw) -> Part:
    """What rivals failed with."""
    failed = [row for row in raw["rivals"] if "error" in row]
    return [
        f"- {row['rival']} on {row['model']}, {RIVALS[row['rival']].told.format(row['amount'])}: `{row['error']}`"
        for row in failed
    ], {}


def effort(raw: Raw) -> Part:
    """Seconds and peak memory of compiles, and where the seconds go."""
    lines = ["| model | way | asked for | seconds | peak, GB | the three longest stages |", "|---|---|---|---|---|---|"]
    for row in _compiles(raw):
        if "stages" not in row or not row["method"].startswith(OURS):
            continue
        spent: dict[str, float] = defaultdict(float)
        for stage, _, seconds, _ in row["stages"]:
            spent[stage] += seconds
        longest = sorted(spent, key=lambda name: -spent[name])[:3]
        said = ", ".join(f"{name} {spent[name] / row['seconds']:.0%}" for name in longest)
        cells = (f"{row['speedup_asked']:g}x", f"{row['seconds']:.0f}", f"{row['peak_memory_bytes'] / 1e9:.1f}", said)
        lines.append(f"| {row['model']} | {row['method']} | " + " | ".join(cells) + " |")
    return lines, {}


def budgets(raw: Raw) -> Part:
    """How many held, and how much of them is spent."""
    lines = []
    for model in dict.fromkeys(row["model"] for row in raw["budgets"]):
        own = [row for row in raw["budgets"] if row["model"] == model]
        spent = [row["measured_ms"] / row["target_ms"] for row in own if row["held"]]
        used = f"; those take {np.median(spent):.1%} of it in the middle, {min(spent):.1%} at least" if spent else ""
        lines.append(f"- {model}: {len(spent)} of {len(own)} budgets held{used}.")
    return lines, {}


def emission(raw: Raw) -> Part:
    """Our time by theirs, the range over workloads and clocks."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in raw["emission"]:
        for name, ratio in row.get("ratio", {}).items():
            found[name].append(ratio)
    return [
        f"- {name}: a request to our file takes {np.median(ratios):.2f} of the time of one to theirs in the middle, "
        f"{min(ratios):.2f} to {max(ratios):.2f}."
        for name, ratios in found.items()
        if name != OURS
    ], {}


def criteria(raw: Raw) -> Part:
    """The best criteria of units on each model, by the mean over speed-ups, texts and seeds."""
    lines = [
        "The best by the mean over speed-ups and texts; `expert` was scored and fitted on both texts, others on one.",
        "",
    ]
    for model in dict.fromkeys(row["model"] for row in raw["criteria"]):
        own = [row for row in raw["criteria"] if row["model"] == model]
        unit = next((row["unit"] for row in own if "unit" in row), "")
        means: dict[str, list[float]] = defaultdict(list)
        for row in own:
            means[row.get("criterion", "")] += [value for value, _ in row.get("fitted", {}).values()]
        ranked = sorted((float(np.mean(values)), name) for name, values in means.items() if values)
        best = ranked[::-1][:5] if unit == "accuracy" else ranked[:5]
        lines.append(f"- {model} ({unit}): " + ", ".join(f"{name} {value:.3f}" for value, name in best) + ".")
    return lines, {}


def growth(raw: Raw) -> Part:
    """What grows faster than linearly, with a picture of all steps by layers."""
    rows = raw["growth"]
    by_layers = [row for row in rows if row["sweep"] == "layers"]
    steps = list(dict.fromkeys(row["step"] for row in by_layers))
    lines: dict[str, list[Point]] = {
        f"{step} ({exponent([row for row in by_layers if row['step'] == step], 'layers')[0]:.2f})": [
            (row["layers"], max(row["seconds"], 1e-3)) for row in by_layers if row["step"] == step
        ]
        for step in steps
    }
    title = "Processor seconds of each step by layers (exponent)"
    picture = chart(title, Axis("layers", True), Axis("seconds", True), lines) if lines else ""
    said = [*(named(rows, sweep, by) for sweep, by in SWEEPS.items()), "", f"![{title}](benchmarks-growth.svg)"]
    return said, {"benchmarks-growth.svg": picture}


def coverage(raw: Raw) -> Part:
    """On how many models each tool cuts each kind of unit."""
    return summary(raw["coverage"])[:-1], {}


SWEEPS = {"layers": "layers", "width": "parameters"}
