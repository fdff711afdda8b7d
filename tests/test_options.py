"""Budgets, settings and output paths: what is read, and what is refused and how."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunec.destination import report_path
from prunec.errors import InputError
from prunec.options import (
    NO_BUDGET,
    Budget,
    Options,
    command_text,
    parse_budget,
)

BUDGET = Budget("speedup", 2.0)


def test_the_one_budget_that_is_given_is_taken() -> None:
    assert parse_budget(latency="20ms") == Budget("latency_ms", 20)
    assert parse_budget(speedup=2) == Budget("speedup", 2)
    assert parse_budget(params="80M") == Budget("parameters", 80e6)
    assert parse_budget(size="1GB") == Budget("bytes", 1e9)


def test_no_budget_is_refused_with_every_form() -> None:
    with pytest.raises(InputError, match=r"no budget.*--budget-latency.*--speedup.*--budget-params.*--budget-size"):
        parse_budget()


def test_where_nothing_must_hold_a_command_asks_for_no_budget() -> None:
    assert str(NO_BUDGET) == "no budget"
    assert command_text("m", None, Options(NO_BUDGET, seed=1)) == "prunec m --seed 1"


def test_several_budgets_are_named() -> None:
    with pytest.raises(InputError, match=r"2 budgets are given: --speedup, --budget-size"):
        parse_budget(speedup="2", size="1MB")


@pytest.mark.parametrize("kind", ["latency_ms", "speedup", "parameters", "bytes"])
@given(value=st.integers(2, 10**9))
def test_the_command_text_asks_for_the_same_budget(kind: str, value: int) -> None:
    words = shlex.split(command_text("a model", None, Options(Budget(kind, float(value)))))  # type: ignore[arg-type]
    assert words[:2] == ["prunec", "a model"]
    names = {
        "--budget-latency": "latency",
        "--speedup": "speedup",
        "--budget-params": "params",
        "--budget-size": "size",
    }
    assert parse_budget(**{names[words[2]]: words[3]}) == Budget(kind, float(value))  # type: ignore[arg-type]


def test_the_command_text_names_what_is_not_default() -> None:
    options = Options(BUDGET, seed=3, force=True, cache=Path("c"), trust_remote_code=False)
    assert command_text("m", Path("x.onnx"), options) == "prunec m -o x.onnx --speedup 2 --seed 3 --force --cache-dir c"


@pytest.mark.parametrize(
    "changes",
    [{"recover": "magic"}, {"threads": 0}, {"seed": -1}, {"recover": "lsq", "distill_minutes": 2.0}, {"effort": 4}],
)
def test_settings_out_of_range_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Options(BUDGET, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan"), float("inf")])
def test_no_time_to_distil_in_is_refused(minutes: float) -> None:
    with pytest.raises(InputError, match="no time to distil in"):
        Options(BUDGET, distill_minutes=minutes)


def test_the_command_text_names_the_time_to_distil_in() -> None:
    options = Options(BUDGET, distill_minutes=2.5)
    assert command_text("m", None, options) == "prunec m --speedup 2 --distill-minutes 2.5"


def test_settings_are_plain_data() -> None:
    settings = Options(BUDGET, calibration=Path("texts")).settings()
    assert settings["budget"] == "2x"
    assert settings["calibration"] == "texts"
    assert settings["task"] is None


def test_a_report_goes_beside_its_output() -> None:
    assert report_path(Path("out/slim.v2.onnx")) == Path("out/slim.v2.report.json")


def test_a_checkpoint_has_no_budget_of_bytes() -> None:
    with pytest.raises(InputError, match="a budget of bytes is of a file that runs"):
        Options(Budget("bytes", 1e6), emit="hf")
    with pytest.raises(InputError, match="'gguf' is nothing that can be emitted"):
        Options(BUDGET, emit="gguf")
