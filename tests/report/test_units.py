"""Numbers as people read them."""

from __future__ import annotations

import pytest

from prunec.report import units


@pytest.mark.parametrize(
    ("value", "text"),
    [(31.2, "31.2 ms"), (0.8123, "0.812 ms"), (1234.5, "1,234 ms"), (0.0, "0.00 ms"), (120.4, "120 ms")],
)
def test_milliseconds(value: float, text: str) -> None:
    assert units.milliseconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(912, "912"), (134_515_008, "135 M"), (1.24e9, "1.24 B"), (999_999, "1.00 M"), (4.5e15, "4,500 T")],
)
def test_count(value: float, text: str) -> None:
    assert units.count(value) == text


@pytest.mark.parametrize(("value", "text"), [(12, "12 B"), (538_060_032, "538 MB"), (3.1e9, "3.10 GB")])
def test_size(value: float, text: str) -> None:
    assert units.size(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (59.9, "1 min 0 s"), (252, "4 min 12 s"), (3780, "1 h 3 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert units.duration(seconds) == text


def test_change_is_signed_with_a_true_minus() -> None:
    assert units.change(200, 137) == "\N{MINUS SIGN}31.5 %"
    assert units.change(200, 250) == "+25.0 %"
    assert units.change(200, 200) == "unchanged"


def test_distinct_adds_digits_until_a_miss_shows() -> None:
    assert units.distinct(20.0, 20.004, units.milliseconds) == ("20.000 ms", "20.004 ms")
    assert units.distinct(20.0, 20.0, units.milliseconds) == ("20.0 ms", "20.0 ms")


@pytest.mark.parametrize(("part", "text"), [(0, "0 %"), (1, "<1 %"), (500, "50 %"), (999, ">99 %"), (1000, "100 %")])
def test_a_share_is_never_rounded_to_nothing_or_all(part: int, text: str) -> None:
    assert units.share(part, 1000) == text


@pytest.mark.parametrize(("kind", "text"), [("kv_group", "kv groups"), ("neuron", "neurons"), ("vocabulary", "rows")])
def test_kinds_of_units_have_a_plural(kind: str, text: str) -> None:
    assert units.plural(kind) == text
