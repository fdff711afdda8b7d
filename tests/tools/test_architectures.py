"""The architecture table: cases judged once, in processes that may die, and a page that says what was found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.zoo.judge import Judgement
from tests.zoo.trial import Trial
from tools import architectures
from tools.architectures import main, read
from tools.architectures_page import page, reason

WHOLE = Judgement("bert:masked_lm", traced="dynamic", nodes=9, families={"head": 1, "neuron": 1}, sizes="batch 3",
                  sublayers={"attention": 1}, places=["attention: a.query.weight"],
                  trials=[Trial("mixed 0", 2e-7, 0.5)], onnx=3e-7)  # fmt: skip
PINNED = Judgement("x:base", traced="static", nodes=5, families={"neuron": 1}, sizes="",
                   places=["attention: a.query.weight", "ffn: b.up.weight"],
                   without_units=["attention: a.query.weight"], trials=[Trial("mixed 0", 2e-7, 0.5)],
                   pins=[("softmax_1 (aten.softmax.int)", "is odd"), ("a.query.bias", "8 units stay")])  # fmt: skip
BROKEN = Judgement("y:base", traced="dynamic", trials=[Trial("mixed 0", 0.25, 0.5)], sizes="batch 3")
UNTRACED = Judgement("z:base", trouble="trace: it | cannot be")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


def rows(text: str) -> dict[str, list[str]]:
    """The rows of the last table, by case."""
    cells = [line.strip("| ").split(" | ") for line in text.partition("## Cases")[2].splitlines() if "|" in line]
    return {row[0]: row[1:] for row in cells}


@pytest.mark.parametrize(
    ("judged", "verdict"), [(WHOLE, "pass"), (PINNED, "partial"), (BROKEN, "fail"), (UNTRACED, "fail")]
)
def test_the_verdict_is_in_the_row(judged: Judgement, verdict: str) -> None:
    assert judged.verdict == verdict
    row = rows(page([judged]))[judged.case.replace("_", "\\_")]
    assert verdict in row


def test_a_partial_case_names_what_is_missing_and_the_nearest_pin_first() -> None:
    told = reason(PINNED)
    assert told.startswith("1 of 1 attentions without units (a.query); n units stay")
    assert "aten.softmax.int is odd" in told


def test_a_failed_case_says_why_in_one_cell() -> None:
    assert "differs by 2.5e-01" in reason(BROKEN)
    assert rows(page([UNTRACED]))["z:base"][-1] == "trace: it \\| cannot be"


def test_the_summary_counts() -> None:
    text = page([WHOLE, PINNED, BROKEN, UNTRACED])
    assert "| golden rule | held for 2 of 3 plans, worst 2.5e-01 |" in text
    assert "| families | 2 neuron in 2 cases, 1 head in 1 cases |" in text
    assert "| ONNX Runtime | agreed in 1 of 1 cases" in text


def test_a_case_is_judged_once_and_kept(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["--results", str(results), "--page", str(tmp_path / "page.md"), "--jobs", "1", "no such:case"]
    main(asked)
    assert "[1/1] no such:case: fail" in capsys.readouterr().out
    assert read(results)["no such:case"].trouble.startswith("build: ")
    monkeypatch.setattr(architectures, "judge_all", None)
    main(asked)
    assert "| no such:case | no |" in (tmp_path / "page.md").read_text(encoding="utf-8")
