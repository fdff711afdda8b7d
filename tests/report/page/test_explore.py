"""The page of a path file: what it says at each budget, that it stands alone, and how much it weighs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from prunec.report.page.curves import damage_curve, kept_curve
from prunec.report.page.explore import render_exploration, told
from tests.report.explorations import exploration, followed, outline
from tests.report.page.test_render import EVIL, Reader, drawn_by_a_browser, own

FOUND = exploration()


def script(page: str) -> dict[str, list[list[object]]]:
    """What the slider is given."""
    reader = Reader(page)
    return json.loads(reader.attributes["explore"]["data-script"])  # type: ignore[no-any-return]


def test_every_budget_has_its_words_bars_and_command() -> None:
    found = script(own(render_exploration(FOUND)))
    assert [stop["command"] for stop in found["stops"]] == [stop.command for stop in FOUND.stops]  # type: ignore[call-overload]
    assert [stop["kept"] for stop in found["stops"]] == [list(stop.kept) for stop in FOUND.stops]  # type: ignore[call-overload]
    assert found["stops"][-1]["told"] == "Nothing goes."  # type: ignore[call-overload]
    # Attention of layers 0 and 1 is drawn in the first chart, feed-forward in the second.
    assert [part[:4] for part in found["parts"]] == [
        [0, 0, "layer 0", 2],
        [1, 0, "layer 0", 4],
        [0, 1, "layer 1", 2],
        [1, 1, "layer 1", 4],
    ]


def test_all_budgets_are_a_table_as_well() -> None:
    text = Reader(own(render_exploration(FOUND))).text
    for stop in FOUND.stops:
        assert stop.command in text
        assert told(FOUND, stop) in text


def test_the_slider_has_a_label_and_stands_at_a_budget() -> None:
    tags = re.findall(r"<(?:label|input)[^>]*>", own(render_exploration(FOUND)))
    assert tags[0] == '<label for="budget">'
    assert f'max="{len(FOUND.stops) - 1}"' in tags[1]


def test_curves_tell_damage_and_what_stays() -> None:
    damage, kept = damage_curve(FOUND), kept_curve(FOUND)
    assert damage.table.rows[-1] == ("320", "0")
    assert 'type":"log' in damage.figure
    assert kept.table.rows[-1] == ("320", "100 %", "100 %")
    assert kept.table.rows[0] == ("100", "0 %", "0 %")


def test_a_path_without_damage_says_so() -> None:
    page = own(render_exploration(exploration(facts=followed(outline()))))
    assert "It measures no damage" in page
    assert "damage, summed" not in page


def test_the_page_asks_for_a_repair_where_the_command_can_take_one() -> None:
    stops = tuple(replace(stop, command=f"{stop.command} --passes structure") for stop in FOUND.stops)
    assert "--recover" in own(render_exploration(FOUND))
    page = own(render_exploration(replace(FOUND, stops=stops)))
    assert "--recover" not in page
    assert "the repair is among the passes" in page


def test_many_units_make_the_page_no_heavier() -> None:
    few, many = (len(own(render_exploration(exploration(outline(2, neurons))))) for neurons in (64, 10_000))
    assert many < few * 1.2


def test_texts_are_shown_to_the_letter() -> None:
    parts = tuple(replace(part, name=f"{n}{EVIL}", sublayer_kind=EVIL) for n, part in enumerate(FOUND.parts))
    stops = tuple(replace(stop, command=EVIL) for stop in FOUND.stops)
    page = render_exploration(replace(FOUND, source=EVIL, file=EVIL, found_by=EVIL, parts=parts, stops=stops))
    assert EVIL not in page
    assert page.count("<script>") == 3
    assert not re.findall(r"https?:|\bsrc=|@import|url\(|<link", own(page))


def test_in_a_browser_the_slider_changes_words_tables_and_bars(tmp_path: Path) -> None:
    move = """<script>
        slider.value = 0;
        slider.dispatchEvent(new Event("input"));
        pictures();
        slider.dataset.bars = JSON.stringify(document.querySelector("#layers .chart").data.map((bar) => bar.y));
    </script></body>"""
    shown = Reader(drawn_by_a_browser(render_exploration(FOUND).replace("</body>", move), tmp_path))
    assert FOUND.stops[0].kept == (0, 0, 0, 0)
    slider = shown.attributes["budget"]
    assert slider["aria-valuetext"] == "100 parameters"
    assert shown.text.count(told(FOUND, FOUND.stops[0])) == 2  # above, and in the table of all budgets
    assert json.loads(slider["data-bars"]) == [[0, 0], [0, 0], [2, 2]]  # kept, removed, gone with their sublayer
    assert shown.text.count("attention sublayer goes whole") == 2  # in the table of the first chart
