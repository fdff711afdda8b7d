"""Parts of a plan add up to it, a plan drawn anew has its sizes, and the page shows shares of the whole."""

from __future__ import annotations

from typing import Any

import pytest

from prunec.facts import Family, Plan, Structure, Sublayer
from tools.bench.attribution import by_depth, by_kind, redrawn
from tools.bench.attribution_page import REFERENCE
from tools.bench.methods_page import page

BLOCKS = 4
STRUCTURE = Structure(
    tuple(
        Family(f"{place}.{name}", kind, units, (), ())
        for place in range(BLOCKS)
        for name, kind, units in (("attn", "head", 6), ("mlp", "neuron", 20))
    ),
    tuple(
        Sublayer(f"{place}.{name}.add", kind, "", "", "", (f"{place}.{name}",))
        for place in range(BLOCKS)
        for name, kind in (("attn", "attention"), ("mlp", "ffn"))
    ),
)
PLAN = Plan({"0.attn": (1, 4), "0.mlp": (0, 3, 9), "2.mlp": tuple(range(12))}, ("3.attn.add", "3.mlp.add"))


def together(parts: dict[str, Plan]) -> Plan:
    units = {name: gone for part in parts.values() for name, gone in part.units.items()}
    return Plan(units, tuple(name for part in parts.values() for name in part.sublayers))


def test_kinds_add_up_to_the_plan() -> None:
    parts = by_kind(STRUCTURE, PLAN)
    assert list(parts) == ["heads", "neurons", "whole sublayers"]
    assert together(parts) == PLAN


@pytest.mark.parametrize("groups", [1, 2, 3, 9])
def test_runs_of_blocks_add_up_to_the_plan(groups: int) -> None:
    assert together(by_depth(STRUCTURE, PLAN, groups)) == PLAN


def test_a_run_of_blocks_where_nothing_goes_is_left_out() -> None:
    assert list(by_depth(STRUCTURE, PLAN, 4)) == ["block 1", "block 3", "block 4"]


def test_drawing_anew_keeps_sizes_and_changes_units() -> None:
    drawn = redrawn(STRUCTURE, PLAN)
    assert {name: len(gone) for name, gone in drawn.units.items()} == {"0.attn": 2, "0.mlp": 3, "2.mlp": 12}
    assert all(gone == tuple(sorted(set(gone))) for gone in drawn.units.values())
    assert drawn.units != PLAN.units
    assert drawn.sublayers == PLAN.sublayers


def row(part: str, damage: float) -> dict[str, Any]:
    return {"model": "m", "speedup_asked": 1.5, "part": part, "damage": {"prose": damage}, "parameters": 5_000_000}


def test_the_page_gives_each_part_as_a_share_of_the_whole() -> None:
    text = page([row("only its heads", 0.5), row(REFERENCE, 2.0)])
    assert "| only its heads | 0.500 (25%) | 5.0 |" in text
    assert "| the whole plan, lsq | 2.000 (100%) | 5.0 |" in text


def test_the_page_says_how_far_the_parts_add_up() -> None:
    parts = [row("only its heads", 0.5), row("only its neurons", 1.0), row("only its blocks 1 to 2", 0.2)]
    text = page([*parts, row(REFERENCE, 2.0), row("the whole plan, none", 5.0)])
    assert "Parted by kind, the pieces alone add up to 75%;" in text
    assert "Parted by depth, the pieces alone add up to 10%;" in text
    assert "The loss is 250% without any repair." in text
