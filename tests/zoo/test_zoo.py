"""The zoo: in every model the families are found, and removing any of them equals masking it."""

from __future__ import annotations

import pytest

from prunec.frontends.trace import quiet
from tests.zoo.axes import dynamic_axes
from tests.zoo.cases import VISIBLE, case_named
from tests.zoo.judge import Judgement, judge, shows
from tests.zoo.sample import IN_ONNX, SAMPLE, WHOLE


def judged(name: str, *, onnx: bool = False) -> Judgement:
    with quiet():
        model, inputs = case_named(name).build()
        return judge(name, model, inputs, dynamic_axes(inputs), onnx=onnx)


def assert_holds(found: Judgement) -> None:
    assert found.trouble == ""
    assert [(trial.plan, trial.error, trial.crash) for trial in found.broken] == []
    assert shows(found) or not found.trials


@pytest.mark.parametrize("name", SAMPLE)
def test_removing_equals_masking(name: str) -> None:
    found = judged(name, onnx=name in IN_ONNX)
    assert_holds(found)
    assert found.sizes or found.traced == "static"
    if name in IN_ONNX:
        assert found.onnx_trouble == ""
        assert found.verdict != "fail"
    if name in WHOLE:
        assert (found.without_units, found.without_sublayer, found.verdict) == ([], [], "pass")


@pytest.mark.zoo
@pytest.mark.parametrize("name", VISIBLE)
def test_removing_equals_masking_in_every_case(name: str) -> None:
    assert_holds(judged(name))
