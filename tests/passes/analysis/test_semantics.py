"""`semantics`: planted answers are found and forgotten, figures are those of the formula, order changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import t as student
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from prunec.calibration.corpus import Corpus
from prunec.calibration.objective import Goal, objective
from prunec.errors import InputError
from prunec.facts import Attribution, Dense, Forgetting, Plan, Structure
from prunec.passbase import Context, Facts, Silent
from prunec.passes.analysis.semantics import SemanticsPass
from prunec.passes.analysis.structure import StructurePass
from tests.passes.analysis.importance.scoring import read_by
from tests.passes.cases import Batch, Case, small_corpus
from tests.programs import program_from_module

WORD, NEURON = 7, 3
FFN = [f"model.layers.{layer}.mlp.down_proj" for layer in range(3)]


class Planted(nn.Module):
    """One branch of ten neurons on embedded tokens; neuron `NEURON` sees the one feature that only `WORD` has."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.up, self.down = nn.Embedding(20, 8), nn.Linear(8, 10, bias=False), nn.Linear(10, 8)
        with torch.no_grad():
            self.embed.weight[:, 0] = 0.0
            self.embed.weight[WORD, 0] = 1.0
            self.up.weight[:, 0] = 0.0
            self.up.weight[NEURON] = 0.0
            self.up.weight[NEURON, 0] = 5.0

    def forward(self, input_ids: Tensor) -> Tensor:
        x = self.embed(input_ids)
        result: Tensor = x + self.down(torch.relu(self.up(x)))
        return result


@pytest.fixture
def planted() -> Case:
    tokens = torch.randint(20, (2, 5))
    axes = {"input_ids": {0: "batch", 1: "sequence"}}
    program = program_from_module(Planted(), {"input_ids": tokens}, axes)
    (structure,) = StructurePass().run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    assert [family.units for family in structure.families] == [10]
    return Case(program, structure, small_corpus(20), Goal(objective("features")))


@pytest.fixture
def recurring(llama: Case) -> Case:
    """The tiny Llama on text of fifteen tokens."""
    return replace(llama, corpus=small_corpus(20))


def attributed(case: Case, context: Context, plan: Plan | None = None, **options: float) -> Attribution:
    facts = case.facts(*([plan] if plan else []))
    (found,) = SemanticsPass(**options).run(case.program, facts, context).facts  # type: ignore[arg-type]
    assert isinstance(found, Attribution)
    return found


def forgotten(case: Case, context: Context, plan: Plan, **options: float) -> tuple[Attribution, Forgetting]:
    found = attributed(case, context, plan, **options)
    assert found.forgetting is not None
    return found, found.forgetting


def test_a_planted_neuron_answers_to_its_token_and_no_other(planted: Case, context: Context) -> None:
    found = attributed(planted, context)
    (family,) = found.families.values()
    words = [found.tokens[place] for place in family.tokens[NEURON] if place >= 0]
    assert words == [WORD]
    share = found.occurrences[found.tokens == WORD].item() / found.text_tokens
    assert family.responses[NEURON, 0] == pytest.approx(1 / share)


def test_removing_it_forgets_that_token_first(planted: Case, context: Context) -> None:
    (name,) = (family.name for family in planted.structure.families)
    found, lost = forgotten(planted, context, Plan({name: (NEURON,)}))
    assert found.carriers == 1
    assert found.tokens[lost.lost.argmax()] == WORD
    assert sorted(lost.lost)[-2:] == pytest.approx([0.0, 1.0])
    assert lost.random == pytest.approx(0.1)


def test_removing_the_carriers_of_a_token_loses_more_of_it_than_chance(recurring: Case, context: Context) -> None:
    dense = Hand.of(recurring, {})
    for place in (0, 5):
        carriers = dense.carriers(30)[place]
        plan = Plan({name: tuple(sorted(unit for own, unit in carriers if own == name)) for name in FFN})
        _, loss = forgotten(neurons(recurring), context, plan, carriers=30 / 288)
        assert loss.removed[place] == pytest.approx(1.0)
        assert loss.lost[place] == pytest.approx(1.0)
        assert loss.random[place] < 0.3


@dataclass(frozen=True)
class Hand:
    """Everything by hand, of neurons alone: sizes `[tokens of the text, neurons of all layers]`, and their tokens."""

    sizes: Tensor
    text: Tensor
    dense: Hand | None = None

    @staticmethod
    def of(case: Case, removed: Mapping[str, tuple[int, ...]], dense: Hand | None = None) -> Hand:
        module = LlamaForCausalLM.from_pretrained(case.program.provenance.source).eval()
        with torch.no_grad():
            for name, units in removed.items():
                module.get_submodule(name).weight[:, list(units)] = 0.0
        batches = case.corpus.score
        text = torch.cat([batch["input_ids"][batch["attention_mask"].bool()] for batch in batches])
        sizes = {name: read_by(module, name, batches).abs() for name in FFN}
        for name, units in removed.items():
            sizes[name][:, list(units)] = 0.0
        return Hand(torch.cat(list(sizes.values()), 1), text, dense)

    def tokens(self) -> list[int]:
        values, counts = self.text.unique(return_counts=True)
        return [token for _, token in sorted(zip((-counts).tolist(), values.tolist(), strict=True))]

    def shares(self) -> np.ndarray:
        """s(k, w), `[tokens, neurons]`."""
        whole = (self.dense or self).sizes.mean(0)
        return np.array([(self.sizes[self.text == token].mean(0) / whole).tolist() for token in self.tokens()])

    def limits(self) -> np.ndarray:
        lines = []
        for token in self.tokens():
            own = self.sizes[self.text == token]
            quantile = student.isf(0.05 / len(self.tokens()), len(own) - 1)
            lines.append(((own.mean(0) - quantile * own.std(0) / len(own) ** 0.5) / self.sizes.mean(0)).tolist())
        return np.array(lines)

    def carriers(self, count: int) -> list[list[tuple[str, int]]]:
        order = np.argsort(-self.limits(), axis=1)[:, :count]
        return [[(FFN[unit // 96], int(unit % 96)) for unit in line] for line in order]


def neurons(case: Case) -> Case:
    """The case with neurons alone."""
    families = tuple(family for family in case.structure.families if family.kind == "neuron")
    return replace(case, structure=replace(case.structure, families=families))


def test_answers_are_those_of_the_formula(recurring: Case, context: Context) -> None:
    found, hand = attributed(recurring, context, top=4), Hand.of(recurring, {})
    assert found.tokens.tolist() == hand.tokens()
    assert found.text_tokens == len(hand.text)
    limits, shares, compared = hand.limits(), hand.shares(), 0
    for layer, name in enumerate(FFN):
        for unit in range(96):
            column = limits[:, 96 * layer + unit]
            wanted = [place for place in np.argsort(-column)[:4] if column[place] > 1]
            places = [place for place in found.families[name].tokens[unit].tolist() if place >= 0]
            assert places == wanted
            responses = found.families[name].responses[unit, : len(wanted)]
            assert responses == pytest.approx(shares[wanted, 96 * layer + unit], rel=1e-5)
            compared += len(wanted)
    assert compared > 50


def test_losses_are_those_of_the_formula(recurring: Case, context: Context) -> None:
    plan = {FFN[0]: tuple(range(0, 96, 3)), FFN[2]: (1, 5)}
    found, loss = forgotten(neurons(recurring), context, Plan(plan), carriers=0.1)
    dense = Hand.of(recurring, {})
    slim = Hand.of(recurring, plan, dense)
    assert found.carriers == 29
    for place, carriers in enumerate(dense.carriers(29)):
        index = [96 * FFN.index(name) + unit for name, unit in carriers]
        before, after = dense.shares()[place, index], slim.shares()[place, index]
        gone = np.array([unit in plan.get(name, ()) for name, unit in carriers])
        chance = np.array([len(plan.get(name, ())) / 96 for name, _ in carriers])
        assert loss.lost[place] == pytest.approx((before - after).sum() / before.sum(), rel=1e-4, abs=1e-5)
        assert loss.removed[place] == pytest.approx(before[gone].sum() / before.sum(), rel=1e-5)
        assert loss.random[place] == pytest.approx((chance * before).sum() / before.sum(), rel=1e-5)


def test_removed_units_answer_to_nothing_and_bypassed_ones_are_lost(recurring: Case, context: Context) -> None:
    plan = Plan({FFN[0]: (1, 2)}, ("model.layers.2.mlp",))
    found, loss = forgotten(recurring, context, plan, carriers=1.0)
    assert (loss.after[FFN[0]].tokens[[1, 2]] == -1).all()
    assert FFN[2] not in loss.after
    assert FFN[2] in found.families
    assert ((loss.removed > 0) & (loss.removed < 1)).all()
    # Units that stay hear that others before them are gone.
    assert (loss.after[FFN[1]].tokens != found.families[FFN[1]].tokens).any()


def test_neither_order_nor_batches_matter(recurring: Case, context: Context) -> None:
    rows = [
        {name: value[row : row + 1] for name, value in batch.items()}
        for batch in recurring.corpus.score
        for row in range(4)
    ]
    apart = replace(recurring, corpus=replace(recurring.corpus, score=tuple(reversed(rows))))
    plan = Plan({FFN[0]: tuple(range(40))})
    one, other = (attributed(case, context, plan) for case in (recurring, apart))
    assert one.tokens.tolist() == other.tokens.tolist()
    for name, family in one.families.items():
        assert family.responses == pytest.approx(other.families[name].responses, rel=1e-4)
    assert one.forgetting is not None
    assert other.forgetting is not None
    assert one.forgetting.lost == pytest.approx(other.forgetting.lost, rel=1e-4, abs=1e-6)


def test_what_is_not_read_token_by_token_is_left_out_and_named(context: Context) -> None:
    class Pooled(Planted):
        def forward(self, input_ids: Tensor) -> Tensor:
            x = super().forward(input_ids).mean(1)
            result: Tensor = x + self.last(torch.relu(self.first(x)))
            return result

        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(8, 12), nn.Linear(12, 8)

    tokens = {"input_ids": torch.randint(20, (2, 5))}
    program = program_from_module(Pooled(), tokens, {"input_ids": {0: "batch", 1: "sequence"}})
    (structure,) = StructurePass().run(program, Facts(), context).facts
    assert isinstance(structure, Structure)
    said: list[str] = []

    class Progress(Silent):
        def warn(self, text: str) -> None:
            said.append(text)

    case = Case(program, structure, small_corpus(20), Goal(objective("features")))
    found = attributed(case, replace(context, progress=Progress()))
    assert [len(family.means) for family in found.families.values()] == [10]
    assert len(found.left_out) == 1
    assert said == [f"left out, since it is not read token by token: {found.left_out[0]}"]


def test_models_of_many_units_tell_fewer_tokens_apart(
    recurring: Case, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunec.passes.analysis.semantics.MEMORY", 16 * 294 * 12)
    assert len(attributed(recurring, context).tokens) == 12


def test_too_little_text_is_refused(llama: Case, context: Context) -> None:
    with pytest.raises(InputError, match=r"only \d different ones occur 8 times or more\. give more text"):
        attributed(replace(llama, corpus=small_corpus(10)), context)


def test_a_model_without_tokens_is_refused(context: Context) -> None:
    program = program_from_module(nn.Linear(4, 4), {"input": torch.ones(2, 4)}, {})
    facts = Facts()
    corpus: tuple[Batch, ...] = ({"input": torch.ones(2, 4)},)
    for fact in (Dense(program), Structure((), ()), Corpus(corpus, corpus, corpus, "", "", False)):
        facts.put(fact)
    with pytest.raises(InputError, match="reads no input_ids"):
        SemanticsPass().run(program, facts, context)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 0}, "the top 0 tokens are none"),
        ({"least": 1}, "1 occurrences say nothing"),
        ({"most": 9}, "9 tokens are too few"),
        ({"carriers": 0.0}, "carriers 0 is not a share"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SemanticsPass(**options)  # type: ignore[arg-type]
