"""Several budgets of one kind: how they are read, refused, and named in files."""

from __future__ import annotations

import pytest

from prunec.destination import Destination
from prunec.drivers.budgets import Amounts, destinations, label, parse_budgets, read_amounts
from prunec.errors import InputError
from prunec.options import Budget


def test_one_budget_is_one_and_a_list_keeps_its_order() -> None:
    assert parse_budgets(speedup="1.5x") == Budget("speedup", 1.5)
    assert parse_budgets(latency=["30ms", 10]) == (Budget("latency_ms", 30), Budget("latency_ms", 10))
    assert parse_budgets(size=("1GB",)) == (Budget("bytes", 1e9),)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"speedup": ["1.5", "1.50x"]}, "budget of 1.5x is given twice"),
        ({"speedup": []}, "an empty list is given as speedup"),
        ({"speedup": ["1.5", ""]}, "'' is not a speedup"),
        ({"speedup": [2, 3], "params": "80M"}, "2 budgets are given: --speedup, --budget-params"),
        ({"speedup": [2, 3], "params": [7]}, "2 budgets are given"),
        ({}, "no budget is given"),
    ],
)
def test_what_cannot_be_read_is_refused(asked: dict[str, Amounts], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_budgets(**asked)


def test_commas_part_the_words_of_a_command() -> None:
    assert read_amounts("10ms,20ms") == ["10ms", "20ms"]
    assert read_amounts("10ms") == "10ms"
    assert read_amounts(None) is None


@pytest.mark.parametrize(
    ("budget", "name"),
    [
        (Budget("latency_ms", 20), "20ms"),
        (Budget("latency_ms", 0.8), "0.8ms"),
        (Budget("speedup", 1.25), "1.25x"),
        (Budget("parameters", 80e6), "80M"),
        (Budget("parameters", 1.2e9), "1.2B"),
        (Budget("parameters", 80_000_001), "80.000001M"),
        (Budget("parameters", 700), "700"),
        (Budget("bytes", 200e6), "200MB"),
        (Budget("bytes", 1.5e9), "1.5GB"),
        (Budget("bytes", 12), "12B"),
    ],
)
def test_a_budget_has_a_name_for_files(budget: Budget, name: str) -> None:
    assert label(budget) == name
    file, folder = Destination.read("out/slim.onnx"), Destination.read("out/slim/")
    assert destinations(file, budget) == [file]
    assert destinations(file, (budget,)) == [Destination.read(f"out/slim-{name}.onnx")]
    assert destinations(folder, (budget,)) == [Destination.read(f"out/slim-{name}/")]
