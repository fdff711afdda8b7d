"""The page in the terminal: what a reader must find on it, within 80 columns and a screen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from prunec.report.data import BudgetOutcome, Checks, Data, Report, TextLoss
from prunec.report.terminal import errors, headline, print_report, repair, rewrites, rival_line, warnings
from tests.report.samples import PLAIN_EXPORT, RIVAL, layer, report

SAMPLE = report()
TIMES = "\N{MULTIPLICATION SIGN}"


def page(shown: Report, **console: object) -> str:
    """The page as printed to a console of 80 columns."""
    settings = {"width": 80, "force_terminal": False, **console}
    target = Console(**settings)  # type: ignore[arg-type]
    with target.capture() as capture:
        print_report(shown, target, Path("out/slim.report.html"))
    return capture.get()


def test_the_headline_says_asked_measured_and_dense() -> None:
    assert headline(SAMPLE) == f"Budget held: 20.0 ms asked, 19.4 ms measured (dense 31.2 ms, 1.61{TIMES})"


def test_a_missed_budget_says_so_even_when_it_is_close() -> None:
    missed = replace(SAMPLE, budget=BudgetOutcome("latency_ms", 20.0, "ms", 20.0, 20.004))
    assert headline(missed).startswith("Budget MISSED: 20.000 ms asked, 20.004 ms measured")


def test_a_speedup_is_stated_as_a_factor() -> None:
    asked = replace(SAMPLE, budget=BudgetOutcome("speedup", 1.6, "ms", 19.5, 19.4))
    assert headline(asked) == f"Budget held: 1.60{TIMES} asked, 1.61{TIMES} measured (31.2 ms → 19.4 ms)"


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (
            BudgetOutcome("parameters", 95e6, "parameters", 95e6, 92.1e6),
            "95.0 M parameters asked, 92.1 M kept (dense 135 M)",
        ),
        (BudgetOutcome("bytes", 4e8, "bytes", 4e8, 368e6), "400 MB asked, 368 MB kept (dense 538 MB)"),
    ],
)
def test_a_budget_of_size_is_stated_in_its_unit(outcome: BudgetOutcome, text: str) -> None:
    assert headline(replace(SAMPLE, budget=outcome)) == f"Budget held: {text}"


def test_a_dense_model_that_already_holds_the_budget_is_said() -> None:
    dense = replace(SAMPLE, layers=(layer(0, "ffn", 8, 8),), bypassed=())
    assert headline(dense).startswith("Budget held by the dense model, nothing removed: 20.0 ms asked")
    assert "ffn" not in page(dense)


def test_the_page_holds_before_and_after() -> None:
    rows = {line.split()[0]: line.split() for line in page(SAMPLE).splitlines() if line.strip()}
    assert rows["latency"][1:6] == ["31.2", "ms", "19.4", "ms", f"1.61{TIMES}"]
    assert rows["parameters"][1:] == ["135", "M", "92.1", "M", "\N{MINUS SIGN}31.5", "%"]
    assert rows["loss"][1:] == ["3.412", "3.587", "+0.175", "nats", "per", "token,", "news"]


def test_the_page_says_where_the_time_went_adding_up_rounds() -> None:
    assert "4 min 25 s: cost-tables 2 min 1 s · damage 58 s · emit 41 s" in page(SAMPLE)


@pytest.mark.parametrize("depth", [1, 6, 16, 17, 30, 60])
def test_the_page_fits_a_screen(depth: int) -> None:
    lines = page(report(depth)).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert len(lines) <= 35


def test_no_colour_off_a_terminal_and_some_on_one() -> None:
    assert "\x1b[" not in page(SAMPLE)
    assert "\x1b[" in page(SAMPLE, force_terminal=True, color_system="standard")


def test_the_default_text_is_warned_of() -> None:
    assert not warnings(SAMPLE)
    default = replace(SAMPLE, data=Data("docstrings", "ab", 1, 1, 1, is_default=True), warnings=("noisy",))
    assert warnings(default)[0].startswith("calibrated on built-in text; give --calibration")
    assert "warning: noisy" in page(default)


def test_many_warnings_are_cut_and_counted() -> None:
    lines = warnings(replace(SAMPLE, warnings=tuple(f"w{index}" for index in range(9))))
    assert lines == ["w0", "w1", "w2", "w3", "5 more warnings are in the report"]


def test_many_texts_are_cut_and_counted() -> None:
    assert SAMPLE.loss is not None
    texts = tuple(TextLoss(f"text {index}", "nats per token", 1.0, 1.1, 10) for index in range(9))
    shown = page(replace(SAMPLE, loss=replace(SAMPLE.loss, texts=texts)))
    assert "text 5" in shown
    assert "text 6" not in shown
    assert "3 more texts in the report" in shown


def test_an_accuracy_says_what_is_better_and_how_sure_it_is() -> None:
    assert SAMPLE.loss is not None
    accuracy = TextLoss("topics", "accuracy", 0.96, 0.94, 400, (0.936, 0.975), (0.912, 0.959))
    shown = " ".join(page(replace(SAMPLE, loss=replace(SAMPLE.loss, texts=(accuracy,)))).split())
    assert "accuracy 0.960 0.940" in shown
    assert "higher is better" in shown
    assert "0.912 to 0.959" in shown


def test_markup_in_names_is_printed_as_it_is() -> None:
    odd = replace(SAMPLE, warnings=("[red]odd[/red] name",), layers=(layer(0, "[b]", 1, 2),))
    assert "[red]odd[/red] name" in page(odd)
    assert "[b]" in page(odd)


def test_a_report_without_optional_parts_is_printed() -> None:
    bare = replace(
        SAMPLE,
        data=None,
        latency=None,
        loss=None,
        stages=(),
        layers=(),
        budget=BudgetOutcome("parameters", 95e6, "parameters", 95e6, 92.1e6),
    )
    assert "parameters" in page(bare)


def test_a_missed_budget_without_an_artifact_says_that_nothing_was_written() -> None:
    missed = replace(
        SAMPLE,
        budget=BudgetOutcome("latency_ms", 20.0, "ms", 20.0, 21.0),
        model=replace(SAMPLE.model, artifact=None),
    )
    assert "artifact  nothing was written" in page(missed)


def test_paths_are_never_cut(tmp_path: Path) -> None:
    long = str(tmp_path / ("a" * 90) / "slim.onnx")
    assert long in page(replace(SAMPLE, model=replace(SAMPLE.model, artifact=long)))


def test_the_dense_model_in_int8_stands_beside_the_slim_one() -> None:
    assert rival_line(RIVAL) == (
        f"dense in int8, nothing removed: 14.5 ms, 2.15{TIMES} (slim 1.61{TIMES} in the same turns), "
        "loss 3.467 (+0.055), 136 MB"
    )
    assert "dense in int8" in page(replace(SAMPLE, rival=RIVAL))
    assert "dense in int8" not in page(SAMPLE)


def test_what_repair_gave_back_is_said() -> None:
    ffn = [layer(i, "ffn", 4, 10, recovered=True, missing=(0.1 * i, 0.02 * i)) for i in (1, 2, 3)]
    assert repair([*ffn, layer(4, "ffn", 10, 10)]) == (
        "kept in 3 of 4 places; what an output misses, in the middle 20.0% before and 4.0% after"
    )
    assert repair([layer(0, "ffn", 4, 10, recovered=True)]) == "kept in 1 of 1 places"
    assert repair([layer(0, "ffn", 4, 10, recovered=False)]) == ""


def test_what_lossless_rewrites_gave_is_said() -> None:
    assert rewrites(replace(SAMPLE, plain_export=PLAIN_EXPORT)) == f"1.06{TIMES} over a plain export of 33.4 ms"
    assert "over a plain export" in page(replace(SAMPLE, plain_export=PLAIN_EXPORT))
    assert "over a plain export" not in page(SAMPLE)


def test_an_artifact_in_fewer_bits_says_what_was_compared_and_what_rounding_is() -> None:
    assert errors(Checks(3e-5, 5e-6, 1e-4, 0.042)) == (
        "slim against masked dense 3e-05, artifact in fp32 5e-06 (at most 1e-04); rounding is 4.2% of the outputs"
    )


def test_a_rival_that_is_faster_and_loses_less_is_said() -> None:
    advice = "the dense model in int8 is faster than the artifact and loses less: give --dtype int8"
    assert advice in warnings(replace(SAMPLE, rival=RIVAL))
    assert advice not in warnings(replace(SAMPLE, rival=replace(RIVAL, speedup=1.5)))
    assert advice not in warnings(replace(SAMPLE, rival=replace(RIVAL, texts=SAMPLE.loss.texts)))  # type: ignore[union-attr]
