"""The table of compiles: what it says of each row, and that rows are kept as they come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.bench import frontier


def row(speedup: float = 1.5, pipeline: str = "remove, settle, recover{rule=lsq}, distill, emit") -> dict[str, Any]:
    return {
        "model": "m", "calibration": "default", "speedup_asked": speedup, "held": True, "machine": "here",
        "budget_ms": 2.0, "predicted_ms": 1.9, "measured_ms": 1.5, "dense_ms": 9.0, "parameters": [9e6, 5e6],
        "metric": "nats", "loss": {"prose": [3.0, 3.5]}, "seconds": 60.0, "peak_memory_bytes": 2e9,
        "stages": [["load", 1, 4.0, 9]], "pipeline": pipeline,
    }  # fmt: skip


@pytest.mark.parametrize(("pipeline", "said"), [("settle, recover, distill, emit", "yes"), ("settle, recover", "no")])
def test_each_row_says_whether_what_was_left_was_trained(pipeline: str, said: str) -> None:
    lines = frontier.table([row(pipeline=pipeline)]).splitlines()
    head, dense, compiled = (
        next(line for line in lines if line.startswith(text)) for text in ("| cal", "| |", "| def")
    )
    assert [line.count("|") for line in (dense, compiled)] == [head.count("|")] * 2
    assert compiled.split(" | ")[head.split(" | ").index("trained")] == said


def test_rows_are_kept_a_line_each_and_those_that_are_there_are_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, table = tmp_path / "rows.json", tmp_path / "rows.md"
    results.write_text(json.dumps([row(1.25) | {"model": "minilm-l6"}]))
    monkeypatch.setattr(frontier, "begin", lambda *_: (None, {}))
    monkeypatch.setattr(frontier, "row", lambda model, text, speedup, unseen: row(speedup) | {"model": model.name})
    words = ["--only", "minilm-l6", "--speedups", "1.25,1.5", "--calibration", "default"]
    monkeypatch.setattr("sys.argv", ["frontier", "models", "--results", f"{results}", "--table", f"{table}", *words])
    frontier.main()
    assert [item["speedup_asked"] for item in json.loads(results.read_text())] == [1.25, 1.5]
    assert results.read_text().count("\n") == 4
    assert table.read_text() == frontier.table(json.loads(results.read_text()))
