"""The search by what re-fitting leaves: what it undoes goes first, and caching changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Features, Goal
from prunec.calibration.removal import Probe
from prunec.calibration.windows import Windows
from prunec.facts import Ceiling, CostModel, Family, Plan, Structure, Sublayer
from prunec.passbase import Context
from prunec.passes.search.greedy_loss import GreedyLossPass
from prunec.passes.search.sublayer import SublayerPass, _Search
from tests.passes.analysis.importance.scoring import scored
from tests.passes.cases import Case
from tests.passes.search.depth import ATTENTION, FFN, cost, fresh, searched
from tests.programs import program_from_module

aten = torch.ops.aten
WIDTH = 8


class Three(nn.Module):
    """A strong linear branch, a feed-forward branch that says all of the stream, a weak branch that nothing follows."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.up, self.down = nn.Linear(WIDTH, 2 * WIDTH, bias=False), nn.Linear(2 * WIDTH, WIDTH)
        one, mix = torch.eye(WIDTH), torch.randn(WIDTH, WIDTH) / WIDTH
        self.up.weight = nn.Parameter(torch.cat([one, -one]))
        self.down.weight = nn.Parameter(torch.cat([mix, -mix], dim=1))
        self.last.weight = nn.Parameter(0.3 * torch.randn(WIDTH, WIDTH) / WIDTH**0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.first(x)
        x = x + self.down(torch.relu(self.up(x)))
        summed: Tensor = x + self.last(x)
        return summed


class Rooted(Three):
    """The strong branch makes positive what a root is taken of."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, WIDTH)
        self.first.bias = nn.Parameter(torch.full((WIDTH,), 20.0))
        self.down.weight = nn.Parameter(0.1 * self.down.weight)
        self.last.weight = nn.Parameter(0.1 * self.last.weight)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sqrt(super().forward(x))


def three(saving: float = 1.0, module: type[nn.Module] = Three) -> tuple[Case, CostModel]:
    """The module as a case; the strong branch costs `saving`, the weak one 1, the feed-forward is not priced."""
    program = program_from_module(module(), {"x": torch.randn(2, 4, WIDTH)}, {"x": {0: "batch"}})
    adds = program.graph.find_nodes(op="call_function", target=aten.add.Tensor)
    kinds = {"strong": "attention", "ffn": "ffn", "weak": "attention"}
    sublayers = tuple(
        Sublayer(name, kind, node.name, node.args[0].name, node.args[1].name, (f"family.{name}",))
        for (name, kind), node in zip(kinds.items(), adds, strict=True)
    )
    families = tuple(Family(f"family.{name}", "head", 2, (), ()) for name in kinds)
    score, choose = (tuple({"x": torch.randn(4, 4, WIDTH)} for _ in range(count)) for count in (16, 2))
    corpus = Corpus(score, choose, choose, "random", "hash", False)
    tables = {"family.strong": ((2, saving),), "family.weak": ((2, 1.0),)}
    return Case(program, Structure(families, sublayers), corpus, Goal(Features())), CostModel("ms", 1.0, tables)


def first_pick(work: SublayerPass | GreedyLossPass, case: Case, costs: CostModel, context: Context) -> tuple[str, ...]:
    dense = costs.predict(case.structure, Plan({}))
    (plan,) = work.run(case.program, case.facts(costs, Ceiling("ms", dense - 0.01)), context).facts
    assert isinstance(plan, Plan)
    return plan.sublayers


def test_what_re_fitting_undoes_goes_first_though_its_loss_is_larger(context: Context) -> None:
    case, costs = three()
    assert first_pick(SublayerPass(), case, costs, context) == ("strong",)
    assert first_pick(GreedyLossPass(of="sublayers"), case, costs, context) == ("weak",)


def test_the_damage_is_that_with_the_re_fit(context: Context) -> None:
    case, costs = three()
    (plan,) = SublayerPass().run(case.program, case.facts(costs, Ceiling("ms", 2.5)), context).facts
    assert isinstance(plan, Plan)
    assert plan.predicted_damage == pytest.approx(0, abs=1e-5)
    probe = Probe(case.program, case.structure, Features(), case.corpus.choose)
    assert probe.damage(Plan({}, ("strong",)), None) > 1e-2


def test_what_leaves_no_number_is_no_choice(context: Context) -> None:
    case, costs = three(module=Rooted)
    assert first_pick(GreedyLossPass(of="sublayers"), case, costs, context) == ("weak",)


@pytest.mark.parametrize("confirm", [1, 5])
def test_what_saves_little_stays(confirm: int, context: Context) -> None:
    case, costs = three(saving=1e-9)
    assert "weak" in first_pick(SublayerPass(confirm=confirm), case, costs, context)


def test_the_first_pick_is_that_of_the_criterion_by_what_it_saves(llama: Case, context: Context) -> None:
    tuned = scored(llama, "tunability", context).sublayers
    saved = {item.name: ATTENTION if item.kind == "attention" else FFN for item in llama.structure.sublayers}
    best = min(tuned, key=lambda name: tuned[name] / saved[name])
    work = SublayerPass(tokens=1_000_000, confirm=1)
    assert searched(work, llama, context, cost(llama) - 0.1).sublayers == (best,)


def test_true_damage_decides_among_the_best(case: Case, context: Context) -> None:
    windows = Windows(case.program, case.structure, case.corpus.score, 0)
    probe = Probe(case.program, case.structure, case.goal.objective, case.corpus.choose)
    prices = {}
    for _ in case.structure.sublayers:
        sublayer, weights = windows.step(), windows.mending().weights
        damage = probe.damage(Plan({}, (sublayer.name,)), None, weights)
        prices[sublayer.name] = damage / (ATTENTION if sublayer.kind == "attention" else FFN), damage
    best = min(prices, key=prices.__getitem__)
    plan = searched(SublayerPass(tokens=1_000_000, confirm=6), case, context, cost(case) - 0.1)
    assert plan.sublayers == (best,)
    assert plan.predicted_damage == pytest.approx(prices[best][1], rel=1e-4)


def test_scores_that_are_kept_are_those_that_would_be_measured(
    llama: Case, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []
    mending = Windows.mending

    def count(self: Windows) -> object:
        measured[-1] += 1
        return mending(self)

    monkeypatch.setattr(Windows, "mending", count)
    ceiling, work, plans = 0.35 * cost(llama), SublayerPass(confirm=2), []
    for name in ("kept", "forgotten"):
        measured.append(0)
        plans.append(searched(work, llama, fresh(context, tmp_path / name), ceiling))
        monkeypatch.setattr(_Search, "_forget", lambda self, removed: self.scored.clear())
    assert plans[0] == plans[1]
    assert len(plans[0].sublayers) >= 2
    assert measured[0] < measured[1]


def test_a_search_that_was_cut_off_goes_on(
    llama: Case, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ceiling, work = 0.4 * cost(llama), SublayerPass(confirm=2)
    whole = searched(work, llama, fresh(context, tmp_path / "whole"), ceiling)
    confirmed: list[Plan] = []
    damage = Probe.damage

    def cut(self: Probe, plan: Plan, *words: object) -> float:
        confirmed.append(plan)
        if len(confirmed) == 4:
            raise KeyboardInterrupt
        return damage(self, plan, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(Probe, "damage", cut)
    with pytest.raises(KeyboardInterrupt):
        searched(work, llama, context, ceiling)
    assert searched(work, llama, context, ceiling) == whole
    assert min(len(plan.sublayers) for plan in confirmed[4:]) == 2


def test_a_search_goes_on_where_savings_came_out_a_little_different(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, costs = three()
    expected = first_pick(SublayerPass(), case, costs, context)
    monkeypatch.delattr(Probe, "damage")
    assert first_pick(SublayerPass(), case, three(saving=1.05)[1], context) == expected
    with pytest.raises(AttributeError):
        first_pick(SublayerPass(), case, three(saving=5.0)[1], context)
