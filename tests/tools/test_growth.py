"""How a compile grows: the exponent, what is named for it, and every step on a model of one layer."""

from __future__ import annotations

from typing import Any

import pytest

from tools.bench.growth import rows
from tools.bench.growth_page import exponent, faster, page
from tools.bench.growth_steps import STEPS, Shape


def swept(step: str, power: float, sweep: str = "layers") -> list[dict[str, Any]]:
    return [
        {"step": step, "sweep": sweep, "layers": size, "width": 64, "parameters": size, "nodes": size, "units": size,
         "seconds": 0.01 * size**power, "machine": "here"}
        for size in (2, 4, 8, 16, 32)
    ]  # fmt: skip


def test_the_exponent_is_that_of_the_power() -> None:
    slope, error = exponent(swept("a", 1.5), "layers")
    assert slope == pytest.approx(1.5)
    assert error == pytest.approx(0.0, abs=1e-6)


def test_what_grows_faster_than_linearly_is_named_and_nothing_else() -> None:
    found = [*swept("quick", 1.0), *swept("slow", 2.0), *swept("flat", 0.0)]
    assert faster(found, "layers", "layers") == ["`slow` (2.00)"]
    assert "Up to layers of 32, faster than linearly in layers grows: `slow` (2.00)." in page(found)
    assert "By width nothing is measured yet." in page(found)


def test_a_step_is_named_with_its_own_largest_size_where_others_are_measured_further() -> None:
    found = [*swept("quick", 1.0), *(row for row in swept("slow", 2.0) if row["layers"] <= 16)]
    assert faster(found, "layers", "layers") == ["`slow` (2.00, up to 16)"]


def test_small_sizes_do_not_hide_what_large_ones_show() -> None:
    found = swept("step", 2.0)
    found[0]["seconds"] = 0.5
    assert exponent(found, "layers")[0] == pytest.approx(2.0)


def test_every_step_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.bench.growth.REPEATED", 0.0)
    tiny = [Shape("layers", 1, 64, 32, 1)]
    found = list(rows([], tiny, list(STEPS)))
    assert {row["step"] for row in found} == set(STEPS)
    assert all(row["seconds"] >= 0 and row["units"] == 32 for row in found)
    assert list(rows(found, tiny, list(STEPS))) == []
