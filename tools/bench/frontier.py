"""Compile real models at several speed-ups and measure what came out: latency, loss on unseen texts, time, memory.

    python -m tools.bench.frontier .cache/models --results docs/measurements.json --table docs/measurements.md

Each row is one compile through `prunec.compile`, as the command runs it. Rows that the results file holds already
are kept, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import prunec
from prunec.cost.workload import Workload
from prunec.frontends.huggingface import load
from tools.bench.rows import keep, speedup, trained
from tools.bench.subjects import SUBJECTS
from tools.bench.threads import enough_threads
from tools.bench.unseen import TOKENS, Unseen

MODELS = ("minilm-l6", "smollm2-135m")
SPEEDUPS = (1.25, 1.5, 2.0)
COLUMNS = ("calibration", "asked", "trained", "budget", "predicted", "measured", "dense", "speed-up", "parameters")
HEAD = f"""# Measured on real models

Written by `tools/bench/frontier.py`; the raw figures are in `measurements.json` beside this page.
Latencies are medians of ONNX Runtime runs by turns with the dense artifact, on a shared machine: read the ratios;
`dense` is the dense artifact in the same rounds, the speed-up the median over rounds of the ratio of both. Loss is that
of the artifact, on {TOKENS} tokens of each text, which no compile has seen. `calibration` names the text that units
were scored on; `default` is what prunec uses where none is given. `trained` says whether what was left was trained
after it was re-fitted: the default does that now, and rows without it are of an older one, which did not.
[Published methods](quality.md) has both beside each other; rows of the default that `methods.py` measured there, which
compiles and measures the same way, are in both. Rows that were measured again are in `superseded.json`."""


def subject(model: str, workload: str | None) -> str:
    """What rows are of: a model, with the workload that its latency is of where that is not the usual one."""
    return f"{model}, {workload}" if workload else model


def begin(models: Path, model: str, workload: str | None, scratch: Path) -> tuple[Unseen, dict[str, Any]]:
    """The model as the compiles see it with the unseen text, and the options that say what their latency is of."""
    enough_threads()
    options = {"workload": workload} if workload else {}
    decodes = bool(workload) and Workload.parse(str(workload), 1).phase == "decode"
    loaded = load(models / model, with_cache=decodes)
    return Unseen(loaded, models, SUBJECTS[model], scratch / "dense.onnx"), options


def row(model: Path, text: Path | None, speedup: float, unseen: Unseen, **options: Any) -> dict[str, Any]:
    """One compile with `options` and its figures, as plain data. A missed budget has no artifact, so no loss.

    The dense model of `unseen` has a cache of keys and values where the workload of `options` needs one.
    """
    with tempfile.TemporaryDirectory() as folder:
        slim = Path(folder) / "slim.onnx"
        # What the dense model is in int8 or without rewrites is the same in every row, and told elsewhere.
        report = prunec.compile(model, slim, speedup=speedup, calibration=text, no_rival=True, **options).report
        work = Workload.parse(report.workload.text, report.workload.threads)
        loss = unseen.figures(slim if slim.exists() else None, work)
        right = unseen.right(slim, work) if report.budget.held else {}
    assert report.latency is not None
    return {
        "model": subject(model.name, options.get("workload")),
        "calibration": text.stem if text else "default",
        "speedup_asked": speedup,
        "held": report.budget.held,
        "budget_ms": report.budget.target,
        "predicted_ms": report.latency.predicted_ms,
        "measured_ms": report.latency.slim.median_ms,
        "dense_ms": report.latency.dense.median_ms,
        "floor_ms": report.latency.floor_ms,
        "rounds": [[item.predicted_ms, item.measured_ms] for item in report.latency.rounds],
        "parameters": [report.model.parameters_dense, report.model.parameters_slim],
        "metric": unseen.goal.report_unit,
        "loss": loss if report.budget.held else {name: [dense, None] for name, (dense, *_) in loss.items()},
        "right": right,
        "slim_vs_masked": report.checks.slim_vs_masked,
        "artifact_vs_slim": report.checks.artifact_vs_slim,
        "sublayers_dropped": sum(layer.dropped for layer in report.layers),
        "seconds": report.seconds,
        "peak_memory_bytes": report.peak_memory_bytes,
        "stages": [[stage.name, stage.round, stage.seconds, stage.peak_memory_bytes] for stage in report.stages],
        "pipeline": report.pipeline,
        "machine": f"{report.machine.cpu}, {report.workload.threads} threads, {report.workload.text}",
        "created": report.created,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a page of Markdown."""
    lines = [HEAD]
    for name in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == name]
        texts = list(own[0]["loss"])
        lines += ["", f"## {name}", "", f"{own[0]['machine']}. Figures of quality: {own[0]['metric']}.", ""]
        head = [*COLUMNS, *texts, "compile", "peak"]
        lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        dense = own[0]["loss"]
        lines.append(
            "| | dense | | | | | | 1.00x | "
            f"{own[0]['parameters'][0] / 1e6:.1f}M | "
            + " | ".join(f"{dense[text][0]:.4f}" for text in texts)
            + " | | |"
        )
        lines += [_line(row, texts) for row in own]
        lines += [f"\nAt {row['speedup_asked']:g}x: {row['note']}." for row in own if row.get("note")]
        lines += ["", "Where the time of a compile goes, in seconds:", "", *_stages(own)]
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any], texts: list[str]) -> str:
    cells = [
        row["calibration"],
        f"{row['speedup_asked']:g}x",
        "yes" if trained(row) else "no",
        f"{row['budget_ms']:.1f} ms",
        f"{row['predicted_ms']:.1f} ms",
        f"{row['measured_ms']:.1f} ms{'' if row['held'] else ' (missed)'}",
        f"{row['dense_ms']:.1f} ms",
        f"{speedup(row):.2f}x",
        f"{row['parameters'][1] / 1e6:.1f}M",
        *("" if row["loss"][text][1] is None else f"{row['loss'][text][1]:.4f}" for text in texts),
        f"{row['seconds']:.0f} s",
        f"{row['peak_memory_bytes'] / 1e9:.1f} GB",
    ]
    return "| " + " | ".join(cells) + " |"


def _stages(rows: list[dict[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(stage[0] for row in rows for stage in row["stages"]))
    lines = ["| asked | " + " | ".join(names) + " | rounds |", "|" + "---|" * (len(names) + 2)]
    for row in rows:
        spent = [sum(stage[2] for stage in row["stages"] if stage[0] == name) for name in names]
        rounds = max(stage[1] for stage in row["stages"])
        cells = [f"{row['speedup_asked']:g}x", *(f"{seconds:.0f}" for seconds in spent), str(rounds)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Run the rows that are not there yet; write results and table after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="where tools/fetch_models.py put models and text")
    parser.add_argument("--results", type=Path, required=True, help="JSON file of raw rows, added to")
    parser.add_argument("--table", type=Path, required=True, help="Markdown page, written anew")
    parser.add_argument("--only", default=",".join(MODELS), help="models, separated by commas")
    parser.add_argument("--speedups", default=",".join(map(str, SPEEDUPS)), help="factors, separated by commas")
    parser.add_argument("--calibration", help="a text by name, or `default`; the model's usual one by default")
    parser.add_argument("--workload", help="what latencies are of, such as decode:1@512; the usual one by default")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = json.loads(given.results.read_text()) if given.results.exists() else []
    for name in given.only.split(","):
        have = {(item["model"], item["calibration"], item["speedup_asked"]) for item in rows}
        named = f"text/{given.calibration}.txt" if given.calibration else SUBJECTS[name].calibration
        text = None if given.calibration == "default" else given.models / named
        about = text.stem if text else "default"
        with tempfile.TemporaryDirectory() as scratch:
            unseen, options = begin(given.models, name, given.workload, Path(scratch))
            for speedup in map(float, given.speedups.split(",")):
                if (subject(name, given.workload), about, speedup) in have:
                    continue
                found = row(given.models / name, text, speedup, unseen, **options)
                keep(found, rows, given.results, given.table, table)


if __name__ == "__main__":
    main()
