"""The loss that people read is on the reporting text alone, dense beside slim."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from prunec.calibration.labels import LABELS
from prunec.facts import Plan, Quality
from prunec.passbase import Context
from prunec.passes.analysis.evaluate import EvaluatePass
from prunec.passes.rewrite.remove import slim_program
from tests.passes.cases import Case, masked_damage

PLAN = Plan({}, ("model.layers.1.mlp",))


def quality(case: Case, plan: Plan, context: Context) -> Quality:
    slim = case.program if plan.is_empty() else slim_program(case.program, case.structure, plan)
    (found,) = EvaluatePass().run(slim, case.facts(), context).facts
    assert isinstance(found, Quality)
    return found


def test_it_is_the_cross_entropy_of_all_tokens_that_are_not_padding(llama: Case, context: Context) -> None:
    found = quality(llama, PLAN, context)
    slim = slim_program(llama.program, llama.structure, PLAN)
    for program, figure in ((llama.program, found.dense), (slim, found.slim)):
        losses = []
        for batch in llama.corpus.report:
            with torch.no_grad():
                likely = program(batch)["logits"].log_softmax(-1)
            for row, length in enumerate(batch["attention_mask"].sum(1).tolist()):
                tokens = batch["input_ids"][row]
                losses += [-float(likely[row, at, tokens[at + 1]]) for at in range(length - 1)]
        assert figure == pytest.approx(sum(losses) / len(losses), rel=1e-5)
        assert found.items == len(losses)
    assert found.damage > 0


def test_the_dense_program_is_not_damaged(case: Case, context: Context) -> None:
    found = quality(case, Plan({}), context)
    assert found.dense == found.slim
    assert found.damage == pytest.approx(0, abs=1e-7)


def test_other_parts_of_the_text_do_not_count(llama: Case, context: Context) -> None:
    blind = replace(llama, corpus=replace(llama.corpus, score=(), choose=()))
    assert quality(blind, PLAN, context) == quality(llama, PLAN, context)


def test_each_named_corpus_is_measured_alone(llama: Case, context: Context) -> None:
    first, second = llama.corpus.report
    short = {name: value[:1, :4] for name, value in second.items()}
    alone = {"a": replace(llama.corpus, report=(first,)), "b": replace(llama.corpus, report=(short,))}
    both = replace(llama, corpus=replace(llama.corpus, report=(first, short), named=alone))
    found = quality(both, PLAN, context)
    assert found.named == {
        name: quality(replace(llama, corpus=corpus), PLAN, context) for name, corpus in alone.items()
    }
    assert replace(found, named={}) == quality(replace(both, corpus=replace(both.corpus, named={})), PLAN, context)


def test_a_batch_counts_by_its_items(llama: Case, context: Context) -> None:
    first, second = llama.corpus.report
    short = {name: value[:1, :4] for name, value in second.items()}
    uneven = replace(llama, corpus=replace(llama.corpus, report=(first, short)))
    found = quality(uneven, PLAN, context)
    assert found.damage == pytest.approx(masked_damage(uneven, PLAN, uneven.corpus.report), rel=1e-4)


def test_labelled_texts_are_reported_by_accuracy_with_its_interval(classifier: Case, context: Context) -> None:
    found = quality(classifier, Plan({}, ("bert.encoder.layer.1.output",)), context)
    hits = [
        int(row.argmax()) == int(label)
        for batch in classifier.corpus.report
        for row, label in zip(classifier.program(batch)["logits"], batch[LABELS], strict=True)
    ]
    assert found.unit == "accuracy"
    assert (found.dense, found.items) == (sum(hits) / len(hits), len(hits))
    assert found.dense_range[0] < found.dense < found.dense_range[1]
    assert found.damage > 0
