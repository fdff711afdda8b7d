"""What the bypass of a sublayer leaves to mend, and what a re-fitted projection mends of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from prunec.calibration.removal import WORST
from prunec.calibration.tokens import sequences
from prunec.calibration.windows import CHOOSE, FIT, MEASURE, Windows, turns
from prunec.errors import PassError
from prunec.facts import Structure, Sublayer
from prunec.ir.execute import evaluate, input_values
from prunec.ir.program import Program
from tests.programs import program_from_module

aten = torch.ops.aten
WIDTH = 8


class TwoBranches(nn.Module):
    """A linear branch, then a feed-forward branch whose hidden units say all of the stream."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, WIDTH, bias=False)
        self.up = nn.Linear(WIDTH, 2 * WIDTH, bias=False)
        self.down = nn.Linear(2 * WIDTH, WIDTH)
        one, mix = torch.eye(WIDTH), torch.randn(WIDTH, WIDTH) / WIDTH
        self.up.weight = nn.Parameter(torch.cat([one, -one]))
        self.down.weight = nn.Parameter(torch.cat([mix, -mix], dim=1))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.first(x)
        summed: Tensor = x + self.down(torch.relu(self.up(x)))
        return summed


class Rooted(TwoBranches):
    """The second branch takes roots of what the first has made positive."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, WIDTH)
        self.first.bias = nn.Parameter(torch.full((WIDTH,), 20.0))
        self.up.weight = nn.Parameter(torch.cat([torch.eye(WIDTH)] * 2))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.first(x)
        summed: Tensor = x + self.down(torch.sqrt(self.up(x)))
        return summed


def traced(kind: str = "ffn", module: type[nn.Module] = TwoBranches) -> tuple[Program, Structure]:
    program = program_from_module(module(), {"x": torch.randn(2, 4, WIDTH)}, {"x": {0: "batch"}})
    adds = program.graph.find_nodes(op="call_function", target=aten.add.Tensor)
    one, two = (
        Sublayer(name, sort, node.name, node.args[0].name, node.args[1].name, ())
        for name, sort, node in zip(("first", "second"), ("attention", kind), adds, strict=True)
    )
    return program, Structure((), (one, two))


def text(batches: int = 8, rows: int = 4) -> list[dict[str, Tensor]]:
    return [{"x": torch.randn(rows, 4, WIDTH)} for _ in range(batches)]


def test_a_branch_that_the_next_can_make_up_for_leaves_nothing() -> None:
    windows = Windows(*traced(), text(), seed=0)
    windows.step()
    first = windows.mending()
    assert first.untuned > 0.05
    assert first.tuned < 1e-4 * first.untuned


def test_what_a_re_fit_left_is_there_once_it_is_made() -> None:
    program, structure = traced()
    batches = [{"x": batch["x"] + batch["x"].square()} for batch in text()]
    windows = Windows(program, structure, batches, seed=0)
    windows.step()
    first = windows.mending()
    after = Windows(program, structure, batches, 0, ("first",), first.weights)
    assert after.step().name == first.where == "second"
    assert after.present["second"] == pytest.approx(first.tuned, rel=1e-3)
    without = Windows(program, structure, batches, 0, ("first",))
    without.step()
    assert without.present["second"] == pytest.approx(first.untuned, rel=1e-4)


def test_what_is_no_number_any_more_is_the_worst() -> None:
    windows = Windows(*traced(module=Rooted), text(), seed=0)
    windows.step()
    mending = windows.mending()
    assert mending.untuned == mending.tuned == WORST


def test_nothing_is_lost_where_nothing_is_gone() -> None:
    windows = Windows(*traced(), text(), seed=0)
    windows.step()
    windows.step()
    assert windows.present == {"first": 0, "second": 0}


def test_where_no_feed_forward_follows_nothing_is_mended() -> None:
    for (program, structure), step in ((traced(), 1), (traced("attention"), 0)):
        batches = text()
        windows = Windows(program, structure, batches, seed=0)
        mendings = [windows.mending() for _ in range(step + 1) if windows.step()]
        sublayer = structure.sublayers[step]
        nodes = {node.name: node for node in program.graph.nodes}
        errors = []
        for batch, turn in zip(batches, turns(batches, 0), strict=True):
            known = evaluate(program, input_values(program, batch), [nodes[sublayer.skip], nodes[sublayer.add]])
            before, after = (known[nodes[name]] for name in (sublayer.skip, sublayer.add))
            errors.append(((after - before).square().sum(-1) / after.square().sum(-1))[turn == MEASURE])
        assert (
            mendings[-1].untuned
            == mendings[-1].tuned
            == pytest.approx(float(torch.cat(errors).detach().mean()), rel=1e-5)
        )


def test_sequences_take_turns_whatever_their_batches() -> None:
    batches = text()
    given = torch.cat(turns(batches, 0))
    assert [int((given == turn).sum()) for turn in (FIT, CHOOSE, MEASURE)] == [16, 8, 8]
    single = [row for batch in batches for row in sequences(batch)]
    reversed_turns = torch.cat(turns(single[::-1], 0))
    assert reversed_turns.flip(0).tolist() == given.tolist()
    assert torch.cat(turns(batches, 1)).tolist() != given.tolist()


def test_too_few_sequences_are_refused() -> None:
    with pytest.raises(PassError, match="3 sequences of calibration text"):
        turns(text(batches=1, rows=3), 0)
