"""The page of a report: what it says, that it stands alone, and that a browser draws it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs

from prunec.report.checkpoint import Checkpoint, Uniformity
from prunec.report.data import BudgetOutcome, Report
from prunec.report.page.render import render
from prunec.report.terminal import headline
from tests.report.samples import PLAIN_EXPORT, RIVAL, layer, report

SAMPLE = report()
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
EVIL = "<script>alert('&amp;')</script>"


class Reader(HTMLParser):
    """Text outside scripts and styles, tags, figures of charts by what they are called, attributes by id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags = "", list[str]()
        self.figures: dict[str, dict[str, object]] = {}
        self.attributes: dict[str, dict[str, str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if name := given.get("id"):
            self.attributes[name] = {key: value or "" for key, value in attrs}
        if figure := given.get("data-figure"):
            self.figures[str(given["aria-label"])] = json.loads(figure)

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] not in (["script"], ["style"]):
            self.text += data


def read(shown: Report) -> Reader:
    """The page of one report without plotly.js, which is long."""
    return Reader(own(render({"slim.report.json": shown})))


def own(page: str) -> str:
    """The page without plotly.js."""
    assert page.count(get_plotlyjs()) == 1
    return page.replace(get_plotlyjs(), "")


def test_the_top_says_whether_to_ship_it() -> None:
    text = read(SAMPLE).text
    top = text[: text.index("Latency of a request")]
    assert f"✓ {headline(SAMPLE)}" in top
    for words in ("31.2 ms", "19.4 ms", "20.5 ms", "92.1 M", "file 369 MB", "3.587", "+0.175", "nats per token, news"):
        assert words in top
    assert "above the 20.0 ms that the median has to hold" in top
    assert "Removed: 7 of 18 kv groups (39 %), 5,568 of 9,216 neurons (60 %), 1 sublayer whole." in top


def test_a_missed_budget_is_told_by_a_word_and_a_sign() -> None:
    missed = replace(SAMPLE, budget=BudgetOutcome("latency_ms", 20.0, "ms", 20.0, 21.0))
    assert "✗ Budget MISSED" in read(missed).text


def test_the_page_says_how_to_repeat_the_compile() -> None:
    text = read(SAMPLE).text
    for words in (SAMPLE.command, SAMPLE.pipeline, "2.13.0", "0123abcd", "A processor", "prefill:1x128, 2 threads"):
        assert words in text


def test_all_warnings_are_on_the_page() -> None:
    lines = tuple(f"warning number {n}" for n in range(12))
    text = read(replace(SAMPLE, warnings=lines)).text
    assert all(line in text for line in lines)


def test_charts_show_latency_layers_and_stages_and_each_has_its_table() -> None:
    page = read(SAMPLE)
    titles = [name.partition(": ")[0] for name in page.figures]
    assert titles == [
        "Latency of a request",
        "Predicted and measured latency, by round",
        "attention, kv groups",
        "ffn, neurons",
        "Time and memory by stage",
    ]
    assert page.tags.count("details") == len(titles)
    assert page.tags.count("h1") == 1


def test_the_dense_model_in_int8_is_beside_the_artifact() -> None:
    page = Reader(render({"a": report(rival=RIVAL)}))
    (chart,) = (figure for name, figure in page.figures.items() if "news, against latency" in name)
    assert "dense in int8" in json.dumps(chart)
    assert "against latency" not in render({"a": report(rival=RIVAL, loss=None)})


def test_the_outcome_of_one_compile_comes_before_what_it_is_compared_with() -> None:
    page = render({"a": report(rival=RIVAL)})
    assert page.index("Budget held") < page.index("Loss against latency")
    both = render({"a": report(rival=RIVAL), "b": report()})
    assert both.index("Loss against latency") < both.index("Budget held")


def test_what_loads_it_and_what_equal_layers_and_rewrites_did_is_said() -> None:
    checkpoint = Checkpoint(True, "", 2e-7, 1e-4, "ONNX Runtime")
    shown = report(plain_export=PLAIN_EXPORT, uniformity=Uniformity(0.5, 0.4, "nats"), checkpoint=checkpoint)
    page = render({"a": shown})
    assert "over a plain export of 33.4 ms" in page
    assert "damage 0.5 predicted, 0.4 where layers may differ" in page
    assert "with from_pretrained and prunec.load" in page


def test_what_was_not_measured_is_said() -> None:
    budget = BudgetOutcome("parameters", 95e6, "parameters", 95e6, 92.1e6)
    bare = replace(SAMPLE, data=None, latency=None, loss=None, stages=(), layers=(), bypassed=(), budget=budget)
    page = own_without_script(bare)
    assert page.count("not measured: this pipeline has no such stage") == 2
    assert "The pipeline looked for no units." in page


def own_without_script(shown: Report) -> str:
    """A page that has no chart, and so no plotly.js."""
    page = render({"slim.report.json": shown})
    assert "<script" not in page
    return page


def test_texts_are_shown_to_the_letter() -> None:
    layers = tuple(replace(item, sublayer=f"{EVIL}.{n}", kind=EVIL) for n, item in enumerate(SAMPLE.layers))
    evil = replace(
        SAMPLE,
        command=EVIL,
        warnings=(EVIL,),
        layers=layers,
        bypassed=(EVIL,),
        given={EVIL: EVIL},
        model=replace(SAMPLE.model, source=EVIL, artifact=EVIL),
        stages=tuple(replace(stage, name=EVIL, log=EVIL) for stage in SAMPLE.stages),
    )
    page = render({EVIL: evil})
    assert EVIL not in page
    assert page.count("<script>") == 2
    shown = Reader(own(page))
    assert shown.text.count(EVIL) > 8
    # Plotly reads some HTML in labels.
    assert all("<script" not in json.dumps(figure) for figure in shown.figures.values())


def test_the_page_loads_nothing_from_elsewhere() -> None:
    page = own(render({"slim.report.json": SAMPLE}))
    assert not re.findall(r"https?:|\bsrc=|@import|url\(|<link", page)
    assert "default-src 'none'" in page


def test_a_family_of_many_units_makes_the_page_no_heavier() -> None:
    few, many = (own(render({"": replace(SAMPLE, layers=(layer(0, "ffn", n // 2, n),))})) for n in (16, 100_000))
    assert len(many) < len(few) + 200


def drawn_by_a_browser(page: str, folder: Path) -> str:
    """The page as a browser has it once it drew every chart; it must not complain.

    Where there is no browser the test is skipped.
    """
    if BROWSER is None:
        pytest.skip("no Chromium on PATH")
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=9000"]
    words = [BROWSER, *flags, f"--user-data-dir={folder / 'profile'}", "--dump-dom", path.as_uri()]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)
    charts = done.stdout.count('role="img"')
    assert f'data-drawn="{charts}"' in done.stdout
    assert done.stdout.count('class="plot-container') == charts
    assert "CONSOLE" not in done.stderr
    return done.stdout


def test_a_browser_draws_every_chart_and_reports_no_error(tmp_path: Path) -> None:
    page = drawn_by_a_browser(render({"a.json": SAMPLE, "b.json": report(30)}), tmp_path)
    assert page.count('role="img"') == 12
