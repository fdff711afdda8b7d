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
    parse_count,
    parse_latency,
    parse_size,
    parse_speedup,
)

BUDGET = Budget("speedup", 2.0)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("20ms", 20), ("0.5s", 500), (" 1.5 MS ", 1.5), ("800us", 0.8), (".5s", 500), (20, 20), (20.5, 20.5)],
)
def test_a_latency_is_read_as_milliseconds(text: str | float, milliseconds: float) -> None:
    assert parse_latency(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "count"), [("80M", 80e6), ("1.2B", 1.2e9), ("80000000", 8e7), ("1.1m", 1.1e6), (7, 7)]
)
def test_a_count_is_read_exactly(text: str | float, count: float) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize(("text", "size"), [("200MB", 2e8), ("1GiB", 2**30), ("1.5 gb", 1.5e9), ("12B", 12), (99, 99)])
def test_a_size_is_read_as_bytes(text: str | float, size: float) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(("text", "factor"), [("2", 2), ("2x", 2), ("1.5\N{MULTIPLICATION SIGN}", 1.5), (1.25, 1.25)])
def test_a_speedup_is_a_factor(text: str | float, factor: float) -> None:
    assert parse_speedup(text) == factor


@pytest.mark.parametrize("text", ["20", "20mb", "ms", "", "nan", "nanms", "1e999ms", "1,5ms", "20 ms ms", "0x10ms"])
def test_what_is_no_latency_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(InputError, match=r"20ms, 0\.5s or 800us"):
        parse_latency(text)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 10**400, "0ms", "-5ms"])
def test_a_latency_must_be_positive_and_finite(value: str | float) -> None:
    with pytest.raises(InputError, match="not a positive, finite number"):
        parse_latency(value)


@pytest.mark.parametrize("value", [True, None, [20], b"20ms"])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(InputError, match="is not a latency"):
        parse_latency(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["80ms", "80X", "0.5", "M"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"80M, 1\.2B or 80000000"):
        parse_count(text)


@pytest.mark.parametrize("text", ["200", "200M", "1 GiBB", "0.1B"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"200MB, 1\.5GB or 1GiB"):
        parse_size(text)


@pytest.mark.parametrize("text", ["1", "0.5x", "2ms", "fast"])
def test_a_speedup_must_be_a_factor_above_one(text: str) -> None:
    with pytest.raises(InputError, match="a factor above 1"):
        parse_speedup(text)


@given(st.floats(1e-3, 1e9))
def test_every_number_reads_the_same_as_text_and_as_a_number(value: float) -> None:
    text = f"{value:.12f}"
    assert parse_latency(f"{text}ms") == pytest.approx(parse_latency(float(text)), rel=1e-12)


@given(st.text(max_size=12))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    for parse in (parse_latency, parse_count, parse_size, parse_speedup):
        try:
            value = parse(text)
        except InputError:
            continue
        assert value > 0


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
    "changes", [{"recover": "magic"}, {"threads": 0}, {"seed": -1}, {"distill_minutes": 2.0}, {"effort": 4}]
)
def test_settings_out_of_range_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Options(BUDGET, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan"), float("inf")])
def test_no_time_to_distil_in_is_refused(minutes: float) -> None:
    with pytest.raises(InputError, match="no time to distil in"):
        Options(BUDGET, recover="distill", distill_minutes=minutes)


def test_the_command_text_names_the_time_to_distil_in() -> None:
    options = Options(BUDGET, recover="distill", distill_minutes=2.5)
    assert command_text("m", None, options) == "prunec m --speedup 2 --recover distill --distill-minutes 2.5"


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
