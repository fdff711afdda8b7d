"""Whether budgets are held and spent: random ones, asked, predicted and measured.

    python -m tools.bench.budgets .cache/models --results docs/budgets.json --page docs/budgets.md

Latencies are drawn evenly between the floor and the dense model's, each a share of the dense latency and asked for as
a speed-up, so that a change of the machine's pace between runs moves neither. A few budgets share a run, as
`--speedup 1.3,1.7` does, and the runs share one scoring. Repair changes no size and no latency, and is left out. Every
budget that was asked for is in the results; those that are there are not asked for again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import prunec
from prunec.cli.work import at_work
from tools.bench.rows import keep

MODELS = {"minilm-l6": "encode:1x128", "smollm2-135m": "prefill:1x128"}
COUNT = 20
TOGETHER = 5
"""Budgets in one run."""
NEAREST = 0.05
"""How near, as a share of the way from the floor to the dense model, no budget is drawn to either end."""


def drawn(floor: float, count: int, seed: int) -> list[float]:
    """`count` speed-ups, to four digits, for latencies that are even between the dense one and `floor`, a share of it.

    The same seed draws the same beginning, however many there are.
    """
    places = NEAREST + (1 - 2 * NEAREST) * np.random.default_rng(seed).random(count)
    return [float(f"{1 / (floor + place * (1 - floor)):.4f}") for place in places]


def floor_share(model: Path, workload: str, threads: int) -> float:
    """The floor's latency over the dense model's."""
    latency = prunec.inspect(model, workload=workload, threads=threads).latency
    assert latency is not None
    return latency.floor.median_ms / latency.dense.median_ms


def rows(
    model: Path, text: Path, workload: str, threads: int, speedups: list[float], kept: Path
) -> list[dict[str, Any]]:
    """What became of each budget, compiled in one run; the first run keeps in `kept` what later ones go by."""
    with at_work(quiet=False, verbose=False) as progress:
        family = prunec.compile(
            model,
            speedup=speedups,
            workload=workload,
            threads=threads,
            calibration=text,
            recover="none",
            progress=progress,
            **({"path": kept} if kept.exists() else {"save_path": kept}),
        )
    assert isinstance(family, prunec.CompileFamily)
    common = {"model": model.name, "workload": workload, "threads": threads}
    found = []
    for result in family.results:
        report = result.report
        assert report.latency is not None
        figures = {
            "asked": report.budget.asked,
            "target_ms": report.budget.target,
            "predicted_ms": report.latency.predicted_ms,
            "measured_ms": report.budget.achieved,
            "held": report.budget.held,
            "trials": len(report.latency.rounds),
        }
        found.append(common | figures)
    failures = [{"asked": budget.value, "held": False, "error": str(why)} for budget, why in family.failures.items()]
    return [*found, *(common | failure for failure in failures)]


HEAD = """# Budgets: asked, predicted, measured

Written by `tools/bench/budgets.py`; the raw figures are in `budgets.json` beside this page.

Speed-ups drawn at random between the dense model and the floor. *measured* is the median of the artifact that was to
be written, in the last round, by turns with the dense one; *target* is the latency that the speed-up asks for by the
dense artifact's runs in that round. A budget that is not held is not written, and the command says so.
"""


def page(found: list[dict[str, Any]]) -> str:
    """`found` as a page of Markdown."""
    lines = [HEAD]
    for model in dict.fromkeys(row["model"] for row in found):
        own = [row for row in found if row["model"] == model]
        held = [row["measured_ms"] / row["target_ms"] for row in own if row["held"]]
        lines += [
            f"## {model}, {own[0]['workload']}, {own[0]['threads']} threads",
            "",
            f"{len(held)} of {len(own)} budgets held; those take {np.mean(held):.1%} of their budget on average, "
            f"{min(held):.1%} to {max(held):.1%}."
            if held
            else f"None of {len(own)} budgets held.",
            "",
            "| speed-up | target | predicted | measured | of the budget | trials |",
            "|---|---|---|---|---|---|",
            *(_line(row) for row in sorted(own, key=lambda row: row["asked"])),
            "",
            *(f"{note}\n" for note in dict.fromkeys(row["note"] for row in own if "note" in row)),
        ]
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    if "error" in row:
        return f"| {row['asked']:g}x | {row['error']} | | | | |"
    share = row["measured_ms"] / row["target_ms"]
    cells = [f"{row['asked']:g}x", *(f"{row[name]:.2f} ms" for name in ("target_ms", "predicted_ms", "measured_ms"))]
    return "| " + " | ".join([*cells, f"{share:.1%}{'' if row['held'] else ' (missed)'}", str(row["trials"])]) + " |"


def main() -> None:
    """Ask for the budgets that are missing; write results and page after each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="where tools/fetch_models.py put models and text")
    parser.add_argument("--results", type=Path, required=True, help="JSON file of raw rows, added to")
    parser.add_argument("--page", type=Path, required=True, help="Markdown page, written anew")
    parser.add_argument("--only", default=",".join(MODELS), help="models, separated by commas")
    parser.add_argument("--count", type=int, default=COUNT, help="budgets of each model")
    parser.add_argument("--threads", type=int, default=2, help="of the runtime")
    parser.add_argument("--note", help="circumstances that the page should tell, such as other work on the machine")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    given = parser.parse_args()
    found: list[dict[str, Any]] = json.loads(given.results.read_text()) if given.results.exists() else []
    for name in given.only.split(","):
        model, text = given.models / name, given.models / "text" / "wiki_calib.txt"
        known = [row for row in found if row["model"] == name]
        share = known[0]["floor"] if known else floor_share(model, MODELS[name], given.threads)
        asked = [value for value in drawn(share, given.count, given.seed) if value not in {r["asked"] for r in known}]
        with tempfile.TemporaryDirectory() as scratch:
            for start in range(0, len(asked), TOGETHER):
                together = asked[start : start + TOGETHER]
                kept = Path(scratch) / "found.safetensors"
                new = rows(model, text, MODELS[name], given.threads, together, kept)
                note = {"note": given.note} if given.note else {}
                for row in new:
                    keep(row | {"floor": share} | note, found, given.results, given.page, page)


if __name__ == "__main__":
    main()
