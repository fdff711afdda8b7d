"""The text form: what it reads, what it prints, and how it says what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunec.errors import InputError, PassError
from prunec.ir.program import Program
from prunec.passbase import Context, Facts, Pass, PassResult
from prunec.pipeline import parse, pass_text, to_text


@dataclass(frozen=True)
class Idle(Pass):
    """A pass that does nothing."""

    name: ClassVar[str] = "idle"

    def run(self, program: Program, facts: Facts, context: Context) -> PassResult:
        return PassResult(program)


@dataclass(frozen=True)
class Many(Idle):
    """One option of every kind."""

    name: ClassVar[str] = "many"
    text: str = "plain"
    whole: int = 3
    real_part: float = 0.5
    quick: bool = False
    careful: bool = True
    method: Literal["none", "bias", "lsq"] = "lsq"
    level: Literal[1, 2] = 1
    limit: int | None = None
    label: str | None = None
    sizes: tuple[int, ...] = (1, 2)
    words: tuple[str, ...] = ()
    window: tuple[float, float] | None = None
    file: Path = Path("model.onnx")


@dataclass(frozen=True)
class Search(Idle):
    """A pass with an option that has no default."""

    name: ClassVar[str] = "search"
    budget: str
    lambda_: float = 1.0

    def __post_init__(self) -> None:
        if self.budget == "0ms":
            raise InputError("a budget of 0ms is not positive", "give more")


@dataclass(frozen=True)
class Odd(Idle):
    """A pass whose option no text can spell."""

    name: ClassVar[str] = "odd"
    table: dict[str, int] | None = None


PASSES: dict[str, type[Pass]] = {kind.name: kind for kind in (Idle, Many, Search, Odd)}


def find(name: str) -> type[Pass]:
    if name not in PASSES:
        raise InputError(f"no pass is called `{name}`", "there are others")
    return PASSES[name]


def read(text: str) -> tuple[Pass, ...]:
    return parse(text, find)


floats = st.floats(allow_nan=False)
passes = st.one_of(
    st.just(Idle()),
    st.builds(
        Many,
        text=st.text(),
        whole=st.integers(),
        real_part=floats,
        quick=st.booleans(),
        careful=st.booleans(),
        method=st.sampled_from(["none", "bias", "lsq"]),
        level=st.sampled_from([1, 2]),
        limit=st.none() | st.integers(),
        label=st.none() | st.text() | st.sampled_from(["none", "quick", "()"]),
        sizes=st.lists(st.integers(), max_size=3).map(tuple),
        words=st.lists(st.text() | st.sampled_from(["()", "none", "a|b"]), max_size=3).map(tuple),
        window=st.none() | st.tuples(floats, floats),
        file=st.text().map(Path),
    ),
    st.builds(Search, budget=st.text().filter(lambda text: text != "0ms"), lambda_=floats),
)


@given(st.lists(passes, min_size=1, max_size=4).map(tuple))
def test_what_is_printed_reads_back_equal(steps: tuple[Pass, ...]) -> None:
    assert read(to_text(steps)) == steps


@given(st.lists(passes, min_size=1, max_size=4))
def test_printing_is_canonical(steps: list[Pass]) -> None:
    text = to_text(steps)
    assert to_text(read(text)) == text


def test_steps_and_options_may_stand_anyhow_between_blanks() -> None:
    assert read(" idle ,\n many{ whole = 4,quick }") == (Idle(), Many(whole=4, quick=True))


def test_defaults_are_left_out() -> None:
    assert to_text([Many(whole=3, quick=True, sizes=())]) == "many{quick, sizes=()}"


def test_a_value_alone_is_the_first_option() -> None:
    assert read("many{abc}, search{20ms}") == (Many(text="abc"), Search("20ms"))


def test_a_flags_name_alone_sets_it() -> None:
    assert read("many{quick, careful=false}") == (Many(quick=True, careful=False),)


def test_a_flags_name_in_quotes_is_the_first_option() -> None:
    assert read('many{"quick"}') == (Many(text="quick"),)


def test_keys_are_kebab_case_and_lose_a_last_underscore() -> None:
    assert pass_text(Search("1ms", lambda_=2)) == "search{budget=1ms, lambda=2.0}"
    assert read("many{real-part=1}, many{real_part=1}") == (Many(real_part=1.0), Many(real_part=1.0))


def test_a_bar_separates_the_items_of_a_tuple() -> None:
    assert read("many{sizes=4|5|6, window=0.5|inf}") == (Many(sizes=(4, 5, 6), window=(0.5, float("inf"))),)


def test_text_with_marks_is_quoted() -> None:
    assert pass_text(Many(text='a, "b" {c}')) == r'many{text="a, \"b\" {c}"}'


def test_none_is_a_word_only_where_none_may_be() -> None:
    assert read('many{label=none}, many{label="none"}, many{method=none}') == (
        Many(label=None),
        Many(label="none"),
        Many(method="none"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a pass name, found the end at column 1"),
        ("idle,", "expected a pass name, found the end at column 6"),
        ("idle many", "expected `,` or the end, found `many` at column 6"),
        ("many{whole=3", "expected `,` or `}`, found the end at column 13"),
        ("many{whole=}", "expected a value, found `}` at column 12"),
        ('many{text="abc}', "a quote is opened and not closed at column 11"),
        (r'many{text="\q"}', r'"\q" holds an escape that is not known at column 11'),
        ("idle, nothing", "no pass is called `nothing` at column 7"),
        ("many{wide=3}", "`many` has no option `wide` at column 6. its options are text, whole, real-part"),
        ("idle{3}", "`idle` is given `3` at column 6. it takes no options"),
        ("many{whole=x}", "`whole` of `many` is `x` at column 6. it takes a whole number"),
        ("many{real-part=nan}", "`real-part` of `many` is `nan` at column 6. it takes a number"),
        ("many{real-part=much}", "`real-part` of `many` is `much` at column 6. it takes a number"),
        ("many{quick=1}", "`quick` of `many` is `1` at column 6. it takes true or false"),
        ("many{method=best}", "`method` of `many` is `best` at column 6. it takes one of none, bias, lsq"),
        ("many{whole=1|2}", "`whole` of `many` is `1|2` at column 6. it takes one value"),
        ("many{window=1|2|3}", "`window` of `many` is `1|2|3` at column 6. it takes 2 values"),
        ("many{whole=1, whole=2}", "`many` is given `whole` twice at column 15"),
        ("search", "`search` lacks `budget` at column 1. write `search{budget=...}`"),
        ("idle, search{0ms}", "a budget of 0ms is not positive at column 7. give more"),
    ],
)
def test_an_error_says_what_and_where(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_option_type_without_text_form_is_the_passs_fault() -> None:
    with pytest.raises(PassError, match="has no text form"):
        read("odd{table=3}")
