"""Reports: written whole or not at all, read back the same, refused when they are something else."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunec.errors import PrunecError
from prunec.report.data import BudgetOutcome, Report
from tests.report.samples import layer, report

SAMPLE = report()


def test_a_report_survives_the_round_trip() -> None:
    assert Report.from_json(SAMPLE.to_json()) == SAMPLE


@given(st.floats(allow_nan=False), st.text(), st.lists(st.text()).map(tuple), st.none() | st.integers(0))
def test_any_content_survives_the_round_trip(
    number: float, text: str, lines: tuple[str, ...], size: int | None
) -> None:
    changed = replace(
        SAMPLE,
        seconds=number,
        command=text,
        warnings=lines,
        resolved={text: number if abs(number) < 1e300 else None},
        model=replace(SAMPLE.model, artifact_bytes=size),
    )
    assert Report.from_json(changed.to_json()) == changed


def test_what_a_pipeline_lacks_may_be_missing() -> None:
    bare = replace(SAMPLE, data=None, latency=None, loss=None)
    assert Report.from_json(bare.to_json()) == bare


def test_readers_find_the_outcome_and_the_speedup() -> None:
    read = json.loads(SAMPLE.to_json())
    assert read["budget"]["held"] is True
    assert read["latency"]["speedup"] == 1.612


@pytest.mark.parametrize(("achieved", "held"), [(19.9, True), (20.0, True), (20.1, False), (float("nan"), False)])
def test_a_budget_holds_up_to_its_target(achieved: float, held: bool) -> None:
    assert BudgetOutcome("latency_ms", 20.0, "ms", 20.0, achieved).held is held


def test_a_report_that_removed_nothing_says_so() -> None:
    whole = replace(SAMPLE, layers=(layer(0, "ffn", 8, 8),), bypassed=())
    assert whole.unpruned
    assert not replace(whole, layers=(layer(0, "ffn", 7, 8),)).unpruned
    assert not replace(whole, layers=(layer(0, "ffn", 0, 8),)).unpruned
    assert not replace(whole, bypassed=("model.layers.0.mlp",)).unpruned


@pytest.mark.parametrize("text", ["", "[]", "null", '{"schema": 1}', '{"schema": 99}', "{}"])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(PrunecError):
        Report.from_json(text)


def test_another_schema_is_named() -> None:
    with pytest.raises(PrunecError, match="schema 99"):
        Report.from_json('{"schema": 99}')
    with pytest.raises(PrunecError, match=r"schema 1, and this prunec reads 2, 3\. .*compile again"):
        Report.from_json(SAMPLE.to_json().replace('"schema": 3', '"schema": 1'))


def test_a_report_of_the_schema_before_is_read_and_what_it_lacks_is_unknown() -> None:
    plain = json.loads(report(layers=(layer(0, "ffn", 4, 10, dense_ms=2.0, kept_scores=(1.0,)),)).to_json())
    plain["schema"] = 2
    for name in ("dense_ms", "slim_ms", "kept_scores", "removed_scores"):
        del plain["layers"][0][name]
    found = Report.from_json(json.dumps(plain))
    assert found.layers == (layer(0, "ffn", 4, 10),)
    assert found.schema == 3
    del plain["layers"]
    with pytest.raises(PrunecError, match="not a prunec report"):
        Report.from_json(json.dumps(plain))


def test_a_report_is_written_and_nothing_else(tmp_path: Path) -> None:
    SAMPLE.write(tmp_path / "slim.report.json")
    assert [path.name for path in tmp_path.iterdir()] == ["slim.report.json"]
    assert Report.from_json((tmp_path / "slim.report.json").read_text(encoding="utf-8")) == SAMPLE


def test_a_failed_write_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "slim.report.json"
    path.write_text("old")

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", no_space)
    with pytest.raises(PrunecError, match="the disk is full"):
        SAMPLE.write(path)
    assert [item.name for item in tmp_path.iterdir()] == ["slim.report.json"]
    assert path.read_text() == "old"
