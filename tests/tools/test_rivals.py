"""The table of rivals: every row is named and placed by its speed, and what failed says why."""

from __future__ import annotations

from typing import Any

import pytest

from tools.bench.rivals_cases import CASES, RIVALS
from tools.bench.rivals_page import page


def row(rival: str, amount: float, ratio: float) -> dict[str, Any]:
    return {
        "model": "m", "rival": rival, "amount": amount, "workload": "encode:1x128", "machine": "here, 2 threads",
        "load": 1.5,
        "seconds": 12.0, "processor_seconds": 10.0, "peak_bytes": 2e9, "file_bytes": 5e7, "dense_file_bytes": 9e7,
        "ratio": ratio, "processor_ratio": ratio, "metric": "nats", "loss": {"prose": [3.0, 3.5]},
        "increase": {"prose": 0.5},
    }  # fmt: skip


def test_rows_say_how_much_faster_and_how_much_worse_the_slowest_first() -> None:
    text = page([row("int8", 1.0, 0.5), row("onnxsim", 0.25, 0.8)])
    assert "| int8 | all weights | 2.00 | 2.00 | 0.500 | 50 | 10.0 | 2.0 |" in text
    assert text.index("| onnxsim | 25% of channels, and of heads where it finds any | 1.25") < text.index("| int8 |")


def test_a_rival_that_failed_is_quoted_and_its_settings_are_said() -> None:
    failed = {"model": "m", "rival": "optipfair-width", "amount": 0.5, "error": "ValueError: no gated layers"}
    text = page([row("int8", 1.0, 0.5), failed])
    assert "- optipfair-width, 50% of neurons: `ValueError: no gated layers`" in text
    assert f"- optipfair-width: {RIVALS['optipfair-width'].settings}." in text
    assert RIVALS["torch-pruning"].settings not in text


@pytest.mark.parametrize("name", RIVALS)
def test_every_rival_is_told_something_in_a_case_that_is_there(name: str) -> None:
    rival = RIVALS[name]
    assert rival.amounts
    for case, amounts in rival.amounts.items():
        assert case in CASES
        assert len({rival.told.format(amount) for amount in amounts}) == len(amounts)
