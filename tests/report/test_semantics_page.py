"""The page of what units answer to: which units and tokens are shown, and how tokens are spelled."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
from rich.console import Console

from prunec.report.inspection_page import TIMES
from prunec.report.semantics import Family, Forgotten, Semantics, Token, Unit
from prunec.report.semantics_build import readable
from prunec.report.semantics_page import headline, print_semantics

SAMPLE = Semantics(
    prunec="0",
    source="folder",
    model_class="Net",
    task="fill-mask",
    report="",
    text="texts.txt",
    text_hash="0",
    text_tokens=100,
    least=8,
    carriers=3,
    tokens=(Token(5, " the", 40), Token(6, "\n", 20), Token(7, "'", 10), Token(8, "have", 10)),
    families=(
        Family(
            "layers.0.mlp.down",
            "neuron",
            "layers.0.mlp",
            1536,
            (Unit(3, 0.1, (8, 5), (55.4, 2.0)), Unit(9, 0.2, (8,), (50.0,)), Unit(11, 0.2, (6,), (4.0,))),
        ),
        Family("layers.1.mlp.down", "neuron", "layers.1.mlp", 1536, (Unit(0, 1.0, (7,), (3.0,)),)),
    ),
    left_out=(),
    stages=(),
)
LOSSES = [Forgotten(0.2, 0.1, 0.15), Forgotten(0.9, 0.95, 0.15), Forgotten(-0.1, 0.0, 0.15), Forgotten(0.3, 0.3, 0.15)]
CUT = replace(
    SAMPLE,
    report="slim.report.json",
    tokens=tuple(replace(token, forgotten=lost) for token, lost in zip(SAMPLE.tokens, LOSSES, strict=True)),
    families=(replace(SAMPLE.families[0], removed=(1, 3), changed=0.25), SAMPLE.families[1]),
)


def page(found: Semantics, top: int = 10, width: int = 120) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_semantics(found, console, top)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_layers_show_their_most_selective_units_one_for_each_first_token() -> None:
    first, second = (line for line in page(SAMPLE) if "1,536 neurons" in line)
    assert first.endswith(f"50{TIMES}  3 'have' 55{TIMES}, ' the' 2.0{TIMES}  11 '\\n' 4.0{TIMES}")
    assert second.endswith(f"""0 "'" 3.0{TIMES}""")


def test_a_narrow_terminal_cuts_what_units_answer_to_and_no_figure() -> None:
    assert any(line.split()[:5] == ["0", "1,536", "neurons", "2", "25%"] for line in page(CUT, width=80))


def test_without_a_removal_nothing_is_forgotten() -> None:
    assert headline(SAMPLE) == "4 of 3,072 units answer to some of 4 tokens"
    assert not any(word in line for line in page(SAMPLE) for word in ("forgotten", "removed"))


def test_what_loses_most_and_least_is_listed() -> None:
    assert headline(CUT).endswith("without 2 units '\\n' is forgotten first (90% lost)")
    lines = page(CUT, top=2)
    start = next(number for number, line in enumerate(lines) if line.startswith("forgotten"))
    rows = [line.removeprefix("forgotten").removeprefix("kept best").split() for line in lines[start : start + 4]]
    assert rows[0] == ["'\\n'", "20", "90%", "95%", "15%"]
    assert [row[0] for row in rows] == ["'\\n'", "'have'", '"\'"', "'"]
    assert any("The median token loses 25%; at random 15%." in line for line in lines)
    assert any(line.split()[:5] == ["0", "1,536", "neurons", "2", "25%"] for line in lines)


@dataclass(frozen=True)
class Speller:
    """A tokenizer of a few pieces."""

    pieces: Mapping[int, tuple[str, str]]

    def convert_ids_to_tokens(self, token: int) -> str:
        return self.pieces[token][0]

    def decode(self, tokens: list[int]) -> str:
        return self.pieces[tokens[0]][1]


@pytest.mark.parametrize(
    ("piece", "decoded", "text"),
    [("Ġthe", " the", " the"), ("▁the", "the", " the"), ("##ing", "##ing", "##ing"), ("Ã", "\ufffd", "Ã")],
)
def test_a_token_keeps_its_blank_and_never_half_a_character(piece: str, decoded: str, text: str) -> None:
    assert readable(Speller({4: (piece, decoded)}), 4) == text  # type: ignore[arg-type]
