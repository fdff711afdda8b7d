"""Loss against latency over several compiles: what is drawn, and which reports cannot be compared."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from prunec.errors import InputError
from prunec.report.data import Loss, Report, TextLoss
from prunec.report.latency import Latency, Measured
from prunec.report.page.frontier import frontier
from prunec.report.rivals import Rival
from tests.report.samples import report

SAMPLE = report()


def cut(slim_ms: float, loss: float, **changes: object) -> Report:
    """A compile of the same model that ended at `slim_ms` and, on the news, at `loss`."""
    latency = Latency(
        Measured(31.0, 30.0, 32.0, 60), Measured(slim_ms, slim_ms - 1, slim_ms + 1, 60), 31 / slim_ms, 1, 8.2
    )
    texts = (TextLoss("news", "nats per token", 3.412, loss, 2048), TextLoss(f"only {loss}", "nats per token", 1, 1, 9))
    return replace(SAMPLE, latency=latency, loss=Loss("KL", texts), **changes)  # type: ignore[arg-type]


def test_a_text_that_all_have_gets_a_chart_with_slim_dense_and_floor() -> None:
    (chart,) = frontier({"out/slow.report.json": cut(24.0, 3.5), "fast/report.json": cut(12.0, 3.9)})
    figure = json.loads(chart.figure)
    slim, dense = figure["data"]
    assert (slim["x"], slim["y"]) == ([12.0, 24.0], [3.9, 3.5])
    assert slim["text"] == ["fast", "slow"]
    assert (dense["x"], dense["y"]) == ([31.0, 31.0], [3.412, 3.412])
    assert [shape["x0"] for shape in figure["layout"]["shapes"]] == [8.2]
    assert chart.table.rows[0] == ("fast/report.json", "12.0 ms", "31.0 ms", "3.900", "3.412", "slim artifacts")
    assert chart.title == "nats per token on news, against latency"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            cut(12.0, 3.9, model=replace(SAMPLE.model, parameters_dense=7)),
            r"model is LlamaForCausalLM of 7 parameters in b",
        ),
        (cut(12.0, 3.9, workload=replace(SAMPLE.workload, threads=8)), "workload is prefill:1x128 on 8 threads in b"),
        (
            cut(12.0, 3.9, machine=replace(SAMPLE.machine, cpu="another")),
            "machine is another in b and A processor in a",
        ),
        (replace(SAMPLE, latency=None, loss=None), "the report b has no latency and no loss"),
        (replace(SAMPLE, loss=replace(SAMPLE.loss, texts=())), "losses on no text in common"),  # type: ignore[type-var]
    ],
)
def test_what_cannot_be_compared_is_refused(other: Report, message: str) -> None:
    with pytest.raises(InputError, match=message):
        frontier({"a": cut(24.0, 3.5), "b": other})


def test_compiles_of_different_pipelines_have_marks_and_names_of_their_own() -> None:
    other = SAMPLE.pipeline.replace("importance{criterion=taylor}", "importance{criterion=wanda}")
    same = SAMPLE.pipeline.replace("remove", "save-path{file=b.safetensors}, remove")
    elsewhere = other.replace("remove", "save-path{file=c.safetensors}, remove")
    pipelines = {"a": same.replace("b.", "a."), "b": same, "c": elsewhere}
    figures = {"a": (24.0, 3.5), "b": (12.0, 3.9), "c": (13.0, 3.8)}
    (chart,) = frontier({name: cut(*figures[name], pipeline=text) for name, text in pipelines.items()})
    taylor, wanda = (trace for trace in json.loads(chart.figure)["data"] if trace["name"].startswith("importance"))
    names = {"importance{criterion=taylor}": [12.0, 24.0], "importance{criterion=wanda}": [13.0]}
    assert {trace["name"]: trace["x"] for trace in (taylor, wanda)} == names
    assert taylor["marker"]["symbol"] != wanda["marker"]["symbol"]
    assert [row[-1] for row in chart.table.rows] == [next(iter(names)), list(names)[1], next(iter(names))]


def test_any_named_points_stand_beside_the_compiles_on_texts_that_they_have() -> None:
    rivals = (Rival("dense int8", 11.5, {"news": 3.6}), Rival("elsewhere", 9.0, {"tales": 1.0}))
    chart, without = frontier({"a": cut(24.0, 3.5)}, rivals)
    assert len(without.table.rows) == 1
    others = json.loads(chart.figure)["data"][-1]
    assert (others["text"], others["x"], others["y"]) == (["dense int8"], [11.5], [3.6])
    assert chart.table.rows[-1] == ("dense int8", "11.5 ms", "", "3.600", "", "")
    assert chart.summary.startswith("1 artifact, 24.0 ms to 24.0 ms")
