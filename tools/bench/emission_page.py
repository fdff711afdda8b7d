"""The page that `emission.py` writes: how long files take to write, and requests to them."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

HEAD = """# Dense ONNX files, measured

Written by `tools/bench/emission.py`; the raw figures are in `emission.json` beside this page. The same model, nothing
removed, as written by this package; by `torch.onnx.export(dynamo=True)`, whose files ONNX Runtime optimises fully when
it loads them, as it does all; by the same with onnxscript's fusions for ONNX Runtime; by the exporter of transformers
with its fusions for the CPU; by optimum-onnx at its highest level for the CPU, O3; by the model builder of
onnxruntime-genai, float32 for the CPU. Of the language model the last two write graphs with a cache of keys and values,
and are compared with ours that has one; `decode:1@128` is one token with 128 before it.

Files of a model are timed by turns in one process, on two threads. *ratio* is the median over rounds of our time by
theirs: below 1, ours is faster. Processor time counts both threads, and is the figure to read where the machine is
shared. *written* is the time from the folder to the file, tracing included.
"""


def page(rows: list[Row]) -> str:
    """`rows` as a page of Markdown."""
    lines = [HEAD]
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        lines += [f"## {model}", "", *_table(own)]
    return "\n".join(lines)


def _table(rows: list[Row]) -> list[str]:
    """A line for each exporter, a column for each workload and clock."""
    timed = [row for row in rows if "workload" in row]
    heads = [f"{row['workload']}, {row['clock']}" for row in timed]
    lines = ["| exporter | written | " + " | ".join(heads) + " |", "|" + "---|" * (len(heads) + 2)]
    for row in rows:
        if "exporter" in row:
            name = row["exporter"]
            written = f"{row['seconds']:.0f} s" if "seconds" in row else f"failed: {row['error']}"
            lines.append(f"| {name} | {written} | " + " | ".join(_cell(cells, name) for cells in timed) + " |")
    return [*lines, "", *([_circumstances(timed), ""] if timed else [])]


def _circumstances(timed: list[Row]) -> str:
    rounds = ", ".join(str(row["rounds"]) for row in timed)
    busiest = max(row["load"] for row in timed)
    processor = timed[0]["cpu"]
    where = f"Rounds: {rounds}, on {processor}; processes that wanted a processor meanwhile: {busiest:.1f} at most."
    return " ".join([where, *dict.fromkeys(row["note"] for row in timed if "note" in row)])


def _cell(row: Row, exporter: str) -> str:
    if exporter not in row["median_ms"]:
        return ""
    return f"{row['median_ms'][exporter]:.1f} ms, {row['ratio'][exporter]:.3f}"
