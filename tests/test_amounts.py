"""Amounts: what is read, and what is refused and how."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunec.amounts import parse_count, parse_latency, parse_size, parse_speedup
from prunec.errors import InputError


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
