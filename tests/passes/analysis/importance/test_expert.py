"""An expert keeps what matters on any corpus: set algebra on low sets, in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata
from transformers import PreTrainedModel

from prunec.calibration.corpus import Corpus
from prunec.errors import InputError
from prunec.facts import SecondMoments
from prunec.passbase import Context, Silent
from prunec.passes.analysis.importance import ImportancePass
from prunec.passes.analysis.importance.expert import highest_rank
from prunec.passes.analysis.importance.mixture import mixed, read_mixture
from tests.passes.analysis.importance.scoring import NEURONS, read_by, scores
from tests.passes.cases import Batch, Case

SCORES = st.integers(1, 12).flatmap(lambda units: arrays(np.int64, (3, units), elements=st.integers(0, 6)))
"""Scores of up to twelve units on three corpora, with many ties."""


class Listener(Silent):
    """Keeps warnings, and counts what is streamed."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.streamed = 0

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def item(self, text: str, done: int, total: int) -> None:
        self.streamed += text == "calibrating"


def named(case: Case, **corpora: tuple[Batch, ...]) -> Case:
    """The case with the scoring text `corpora`, by name."""
    parts: Mapping[str, Corpus] = {name: replace(case.corpus, score=score) for name, score in corpora.items()}
    whole = tuple(batch for score in corpora.values() for batch in score)
    return replace(case, corpus=replace(case.corpus, score=whole, named=parts))


@pytest.fixture
def both(llama: Case) -> Case:
    """The text of the case as two corpora, one larger than the other."""
    return named(llama, a=llama.corpus.score[:3], b=llama.corpus.score[3:])


@given(by_corpus=SCORES, data=st.data())
def test_the_lowest_are_the_intersection_at_the_least_threshold(by_corpus: np.ndarray, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, by_corpus.shape[1]))
    going = set(highest_rank(list(by_corpus)).argsort(kind="stable")[:count].tolist())
    shares = [rankdata(values) / len(values) for values in by_corpus]

    def low_sets(threshold: float) -> list[set[int]]:
        return [set(np.flatnonzero(share <= threshold).tolist()) for share in shares]

    thresholds = np.unique(shares)
    least = next(value for value in thresholds if len(set.intersection(*low_sets(value))) >= count)
    assert all(going <= low for low in low_sets(least))
    meeting = set.intersection(*low_sets(least))
    assert going == meeting if len(meeting) == count else going < meeting
    below = [set.intersection(*low_sets(value)) for value in thresholds if value < least]
    assert all(smaller <= going for smaller in below)


@given(by_corpus=SCORES)
def test_ties_go_by_the_mean_rank(by_corpus: np.ndarray) -> None:
    ranks = np.stack([rankdata(values) for values in by_corpus])
    expected = np.lexsort((ranks.mean(0), ranks.max(0)))
    assert highest_rank(list(by_corpus)).argsort(kind="stable").tolist() == expected.tolist()


@given(by_corpus=SCORES)
def test_the_order_of_corpora_does_not_matter(by_corpus: np.ndarray) -> None:
    assert (highest_rank(list(by_corpus)) == highest_rank(list(by_corpus[::-1]))).all()


def test_one_corpus_has_the_order_of_activation_weight(case: Case, context: Context) -> None:
    expected = scores(case, "activation-weight", context)
    for text in (case, named(case, only=case.corpus.score)):
        for name, values in scores(text, "expert", context).items():
            assert values.argsort(kind="stable").tolist() == expected[name].argsort(kind="stable").tolist()


def test_it_is_the_highest_rank_of_the_squared_output_changes(
    both: Case, module: PreTrainedModel, context: Context
) -> None:
    weight = module.get_submodule(NEURONS).get_parameter("weight").detach().double().numpy()
    reads = [read_by(module, NEURONS, corpus.score).numpy() for corpus in both.corpus.named.values()]
    ranks = np.stack([rankdata((read**2).mean(0) * (weight**2).sum(0)) for read in reads])
    expected = ranks.max(0) / ranks.shape[1] + ranks.mean(0) / ranks.shape[1] * 0.5 / ranks.shape[1]
    assert scores(both, "expert", context)[NEURONS] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("base", ["taylor", "reconstruction", "output-information"])
def test_another_criterion_can_be_beneath(base: str, both: Case, context: Context) -> None:
    alone = [scores(replace(both, corpus=corpus), base, context) for corpus in both.corpus.named.values()]
    for name, values in scores(both, f"expert:{base}", context).items():
        assert values == pytest.approx(highest_rank([found[name] for found in alone]), abs=1e-12)


def test_a_neuron_that_fires_on_one_corpus_alone_survives_both(llama: Case, context: Context) -> None:
    """Feature 0 of the stream is on for the tokens of b alone; neuron 7 reads nothing else, neuron 9 nothing at all."""
    layer = "model.layers.0"
    names = [
        "model.embed_tokens",
        *(f"{layer}.{name}" for name in ("self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj")),
    ]
    embedding, output, gate, up = tensors = [llama.program.tensor(f"{name}.weight").detach().clone() for name in names]
    embedding[:140, 0], embedding[140:, 0] = 0, 5
    output[0] = 0
    for weight in (gate, up):
        weight[[7, 9]] = 0
        weight[7, 0] = 5
    planted = llama.with_tensors(
        **{f"{name}.weight".replace(".", "__"): tensor for name, tensor in zip(names, tensors, strict=True)}
    )
    a, b = (
        tuple({**batch, "input_ids": batch["input_ids"] % 135 + first} for batch in llama.corpus.score)
        for first in (5, 140)
    )
    family = f"{layer}.mlp.down_proj"
    alone = scores(named(planted, a=a), "expert", context)[family]
    together = scores(named(planted, a=a, b=b), "expert", context)[family]
    assert set(alone.argsort()[:2]) == {7, 9}
    assert together.argmin() == 9
    assert together[7] > 1  # nothing scores higher on b


def test_a_mixture_takes_the_rest_from_all_of_the_text(both: Case, context: Context) -> None:
    text = "expert+0.5*taylor+flap"
    alone = {term.name: scores(both, term.name, context) for term in read_mixture(text)}
    assert alone["taylor"][NEURONS] == pytest.approx(
        scores(replace(both, corpus=replace(both.corpus, named={})), "taylor", context)[NEURONS]
    )
    for name, values in scores(both, text, context).items():
        expected = mixed(read_mixture(text), {term: found[name] for term, found in alone.items()})
        assert values == pytest.approx(expected, abs=1e-12)


def test_the_text_is_streamed_once(both: Case, context: Context) -> None:
    listener = Listener()
    scores(both, "expert+expert:wanda+flap+reconstruction", replace(context, progress=listener))
    assert listener.streamed == len(both.corpus.score)
    assert not listener.warnings


def test_one_text_is_told_that_nothing_is_combined(llama: Case, context: Context) -> None:
    listener = Listener()
    scores(named(llama, only=llama.corpus.score), "expert", replace(context, progress=listener))
    (warning,) = listener.warnings
    assert "combines nothing" in warning


def test_moments_are_of_all_of_the_text(both: Case, context: Context) -> None:
    found = {}
    for criterion in ("expert:reconstruction", "reconstruction"):
        facts = ImportancePass(criterion).run(both.program, both.facts(), context).facts
        (found[criterion],) = [fact.sites[NEURONS] for fact in facts if isinstance(fact, SecondMoments)]
    for weight, moments in found["reconstruction"].items():
        assert torch.allclose(torch.from_numpy(found["expert:reconstruction"][weight]), torch.from_numpy(moments))


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        ("expert:magnitude", "cannot go over magnitude"),
        ("expert:expert", "cannot go over expert"),
        ("expert:tailor", "no importance criterion 'tailor'"),
        ("expert:", "no importance criterion ''"),
        ("expert:block-influence", "cannot go over block-influence"),
        ("taylor:flap", "taylor goes over no other criterion"),
    ],
)
def test_what_cannot_be_combined_is_refused(criterion: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ImportancePass(criterion)


def test_labels_are_needed_for_what_is_beneath_too(bert: Case, context: Context) -> None:
    with pytest.raises(InputError, match="expert:head-gradient needs labels"):
        scores(bert, "expert:head-gradient", context)


def test_an_expert_beside_others_is_no_moving_average(both: Case, context: Context) -> None:
    """The others would weigh the corpus that is streamed last the most."""
    with pytest.raises(InputError, match="in a mixture cannot be a moving average"):
        ImportancePass("expert+taylor", ema=0.9).run(both.program, both.facts(), context)
