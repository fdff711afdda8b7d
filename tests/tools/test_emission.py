"""The page of exporters: every file has its line, failures included."""

from __future__ import annotations

from typing import Any

from tools.bench.emission_page import page

ROWS: list[dict[str, Any]] = [
    {"model": "m", "exporter": "prunec", "seconds": 3.2},
    {"model": "m", "exporter": "torch", "error": "RuntimeError: no"},
    {"model": "m", "exporter": "transformers", "seconds": 30.0},
    {"model": "m", "workload": "encode:1x128", "clock": "wall", "cpu": "a processor", "load": 2.5, "rounds": 7,
     "median_ms": {"prunec": 9.0, "transformers": 10.0}, "ratio": {"prunec": 1.0, "transformers": 0.9}},
]  # fmt: skip


def test_medians_and_ratios_stand_beside_the_seconds_that_writing_took() -> None:
    assert "| exporter | written | encode:1x128, wall |" in page(ROWS)
    assert "| transformers | 30 s | 10.0 ms, 0.900 |" in page(ROWS)


def test_a_file_that_was_not_written_says_why_and_has_no_times() -> None:
    assert "| torch | failed: RuntimeError: no |  |" in page(ROWS)


def test_the_page_says_how_busy_the_machine_was() -> None:
    assert "Rounds: 7, on a processor; processes that wanted a processor meanwhile: 2.5 at most." in page(ROWS)
