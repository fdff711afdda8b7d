"""What was right and is wrong is told item by item, and each item flips again when both programs read it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from prunec.calibration.labels import LABELS
from prunec.errors import InputError
from prunec.facts import Plan, Weaknesses
from prunec.passbase import Context
from prunec.passes.analysis.weakness import WeaknessPass
from prunec.passes.rewrite.remove import slim_program
from tests.passes.cases import Case

PLAN = Plan({}, ("model.layers.1.mlp", "model.layers.0.mlp"))


def known_text(case: Case) -> Case:
    """The reporting text says what the dense program does: each token is what it takes for the likeliest."""
    tokens = case.corpus.report[0]["input_ids"].clone()
    mask = torch.ones_like(tokens)
    for at in range(1, tokens.shape[1]):
        with torch.no_grad():
            tokens[:, at] = case.program({"input_ids": tokens, "attention_mask": mask})["logits"][:, at - 1].argmax(-1)
    mask[1, -3:] = 0
    return replace(case, corpus=replace(case.corpus, report=({"input_ids": tokens, "attention_mask": mask},)))


def weaknesses(case: Case, plan: Plan, context: Context, **options: int) -> Weaknesses:
    slim = case.program if plan.is_empty() else slim_program(case.program, case.structure, plan)
    (found,) = WeaknessPass(**options).run(slim, case.facts(), context).facts
    assert isinstance(found, Weaknesses)
    return found


def test_every_item_reproduces(llama: Case, context: Context) -> None:
    case = known_text(llama)
    slim = slim_program(case.program, case.structure, PLAN)
    found = weaknesses(case, PLAN, context)
    assert found.lost == len(found.items) > 0
    for item in found.items:
        tokens = torch.tensor([item.tokens])
        batch = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
        with torch.no_grad():
            assert int(case.program(batch)["logits"][0, -1].argmax()) == item.right
            assert int(slim(batch)["logits"][0, -1].argmax()) == item.said != item.right


def test_padding_and_the_last_token_are_not_asked_about(llama: Case, context: Context) -> None:
    case = known_text(llama)
    rows, length = case.corpus.report[0]["input_ids"].shape
    assert weaknesses(case, PLAN, context).known == rows * (length - 1) - 3


def test_the_dense_program_has_none(llama: Case, context: Context) -> None:
    found = weaknesses(known_text(llama), Plan({}), context)
    assert (found.lost, found.gained, found.items) == (0, 0, ())


def test_what_becomes_right_is_counted(llama: Case, context: Context) -> None:
    case = known_text(llama)
    slim = slim_program(case.program, case.structure, PLAN)
    batch = case.corpus.report[0]
    with torch.no_grad():
        batch["input_ids"][:, -1] = slim(batch)["logits"][:, -2].argmax(-1)
        wrong = case.program(batch)["logits"][:, -2].argmax(-1) != batch["input_ids"][:, -1]
    wrong[1] = False  # ends in padding
    assert wrong.any()
    assert weaknesses(case, PLAN, context).gained >= int(wrong.sum())


def test_no_more_items_are_kept_than_asked(llama: Case, context: Context) -> None:
    found = weaknesses(known_text(llama), PLAN, context, most=1)
    assert len(found.items) == 1 < found.lost


def test_of_a_classifier_whole_texts_are_items(classifier: Case, context: Context) -> None:
    batch = dict(classifier.corpus.report[0])
    with torch.no_grad():
        batch[LABELS] = classifier.program(batch)["logits"].argmax(-1)
    case = replace(classifier, corpus=replace(classifier.corpus, report=(batch,)))
    sublayers = [item.name for item in case.structure.sublayers]
    worst = max((weaknesses(case, Plan({}, (name,)), context) for name in sublayers), key=lambda found: found.lost)
    assert worst.known == len(batch["input_ids"])
    assert worst.lost == len(worst.items) > 0
    lengths = batch["attention_mask"].sum(1).tolist()
    assert all(len(item.tokens) in lengths and item.right != item.said for item in worst.items)


def test_features_are_neither_right_nor_wrong(bert: Case, context: Context) -> None:
    with pytest.raises(InputError, match="needs to know what is right"):
        WeaknessPass().run(bert.program, bert.facts(), context)
