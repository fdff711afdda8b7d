"""The page of several budgets: a row each, failures by budget, warnings once."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from prunec.report.data import BudgetOutcome
from prunec.report.family import print_family
from tests.report.samples import report


def test_every_budget_has_its_row_and_every_failure_its_reason() -> None:
    held = report(warnings=("the text is short",), given={"budget": "20 ms"})
    missed = replace(
        held, budget=BudgetOutcome("latency_ms", 10.0, "ms", 10.0, 21.0), given={"budget": "10 ms"}, latency=None
    )
    missed = replace(missed, model=replace(held.model, artifact=None), loss=None)
    shown = io.StringIO()
    print_family([held, missed], {"1 ms": "below the floor"}, Console(file=shown, width=100))
    lines = [" ".join(line.split()) for line in shown.getvalue().splitlines()]
    assert "20 ms held 19.4 ms 1.61\N{MULTIPLICATION SIGN} 92.1 M 369 MB 3.587 +0.175" in lines
    assert any(line.startswith("10 ms MISSED") for line in lines)
    assert "20 ms: out/slim.onnx" in lines
    assert "10 ms: nothing was written" in lines
    assert "1 ms: below the floor" in lines
    assert lines.count("warning: the text is short") == 1
