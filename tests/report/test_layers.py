"""The picture of what is left, as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from prunec.report.data import Layer
from prunec.report.layers import picture
from tests.report.samples import layer, layers


def drawn(items: Sequence[Layer]) -> list[str]:
    """The picture's lines on 80 columns."""
    console = Console(width=80, force_terminal=False)
    with console.capture() as capture:
        console.print(picture(items))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_few_layers_have_a_line_each() -> None:
    lines = drawn(layers(6))
    assert len(lines) == 7
    assert lines[0].split("  ") == ["layer", "attention, kv groups", "ffn, neurons"]
    assert lines[1].split() == ["0", "███░░░░░", "3→1", "██░░░░░░", "1536→448"]


def test_a_dropped_sublayer_and_an_untouched_one_say_so() -> None:
    lines = drawn([layer(0, "attention", 0, 3), layer(0, "ffn", 8, 8)])
    assert lines[1].split() == ["0", "\N{MULTIPLICATION SIGN}" * 8, "dropped", "████████", "all"]


def test_many_layers_become_strips_of_one_character_a_layer() -> None:
    lines = drawn(layers(30))
    assert len(lines) <= 6
    (strip,) = [line for line in lines if line.startswith("attention")]
    assert strip.split()[3] == "▃▅█\N{MULTIPLICATION SIGN}▅█" + "▃▅█" * 8
    assert strip.endswith("59 of 90, 1 dropped")


def test_a_strip_shows_the_share_kept_and_full_only_for_all() -> None:
    kept = [1, 25, 50, 75, 99, 100]
    lines = drawn([layer(i, "ffn", kept[i % 6], 100) for i in range(18)])
    assert lines[1].split()[2] == "▁▂▄▆▇█" * 3


def test_very_deep_models_wrap_their_strips() -> None:
    lines = drawn(layers(80))
    assert len(lines) == 10
    assert [line.split()[1] for line in lines if line.startswith("layer")] == ["0", "32", "64"]
    assert max(map(len, lines)) <= 80


def test_two_stacks_are_told_apart() -> None:
    items = [
        Layer(f"{stack}.block.{index}.layer.1", "ffn", f"{stack}.{index}", "neuron", 8, 4)
        for stack in ("encoder", "decoder")
        for index in range(2)
    ]
    labels = [" ".join(line.split()[:2]) for line in drawn(items)[1:]]
    assert labels == ["encoder 0", "encoder 1", "decoder 0", "decoder 1"]


def test_two_attentions_in_a_layer_have_a_column_each() -> None:
    items = [Layer(f"decoder.block.0.layer.{i}", "attention", f"f{i}", "head", 4, 4 - i) for i in range(2)]
    lines = drawn(items)
    assert lines[0].split("  ")[1:] == ["attention, heads", "attention 2, heads"]
    assert lines[1].split() == ["0", "████████", "all", "██████░░", "4→3"]


def test_names_without_a_number_stand_for_themselves() -> None:
    assert drawn([Layer("", "", "net.hidden", "neuron", 8, 2)])[1].split() == ["net.hidden", "██░░░░░░", "8→2"]


def test_a_layer_that_lacks_a_sublayer_leaves_its_place_blank() -> None:
    lines = drawn([layer(0, "attention", 3, 3), layer(0, "ffn", 8, 8), layer(1, "ffn", 8, 4 + 4)])
    assert lines[2].split() == ["1", "████████", "all"]
    assert lines[2].index("█") > lines[1].index("█")


def test_a_sublayer_without_units_is_there_or_dropped() -> None:
    items = [Layer(f"block.{i}.attn", "attention", "", "", 0, 0, dropped=i == 1) for i in range(2)]
    lines = drawn(items)
    assert lines[0].split() == ["layer", "attention"]
    assert lines[1].split() == ["0", "████████", "all"]
    assert lines[2].split()[2] == "dropped"
    strips = drawn([replace(items[i % 2], sublayer=f"block.{i}.attn") for i in range(20)])
    assert strips[1].endswith("10 of 20 sublayers")


def test_layers_stand_in_order_whatever_the_order_of_the_report() -> None:
    lines = drawn([layer(index, "ffn", 4, 8) for index in (2, 0, 1)])
    assert [line.split()[0] for line in lines[1:]] == ["0", "1", "2"]
