"""What a report says of calibration data: tokens of text, rows of what has none."""

from __future__ import annotations

from dataclasses import replace

import torch
from rich.console import Console

from prunec.calibration.corpus import Corpus
from prunec.report.build import data_of
from prunec.report.page.summary import circumstances
from prunec.report.terminal import print_report
from tests.report.samples import report

MASK = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]])


def corpus(batch: dict[str, torch.Tensor]) -> Corpus:
    return Corpus((batch,), (batch, batch), (batch,), "what it is", "0123", is_default=False)


def test_text_is_counted_in_tokens_padding_aside() -> None:
    found = data_of(corpus({"input_ids": torch.ones(2, 4, dtype=torch.long), "attention_mask": MASK}))
    assert (found.kind, found.unit) == ("text", "tokens")
    assert (found.tokens_score, found.tokens_choose, found.tokens_report) == (5, 10, 5)


def test_images_are_counted_in_rows() -> None:
    found = data_of(corpus({"pixel_values": torch.zeros(3, 3, 16, 16)}))
    assert (found.kind, found.unit) == ("data", "rows")
    assert (found.tokens_score, found.tokens_choose, found.tokens_report) == (3, 6, 3)


def test_both_reports_name_the_data_and_its_rows() -> None:
    found = replace(report(), data=data_of(corpus({"pixel_values": torch.zeros(3, 3, 16, 16)})))
    console = Console(width=80, force_terminal=False)
    with console.capture() as capture:
        print_report(found, console)
    assert "data      what it is, 12 rows" in capture.get()
    rows = {row[0]: row[1] for row in circumstances(found).rows}
    assert rows["rows"] == "3 rows to score, 6 to choose, 3 to report"
    assert rows["hash of the data"] == "0123"
