"""Labels follow their texts into the batches, as the places of a classifier's outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from prunec.calibration.corpus import Corpus
from prunec.calibration.labels import LABELS, LabelledText, indexed, label_names
from prunec.calibration.objective import LabelledLogits, Logits, objective, with_labels
from prunec.calibration.textsource import Text, TextSource
from prunec.errors import InputError
from prunec.ir.program import Program
from prunec.passbase import Silent
from tests.passes.cases import load_case

NAMES = ("law", "sport", "weather")


@pytest.fixture(scope="module")
def program(tiny_classifier_dir: Path) -> Program:
    return load_case(tiny_classifier_dir).program


@pytest.fixture(scope="module")
def tokenizer(tiny_classifier_dir: Path) -> PreTrainedTokenizerBase:
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(tiny_classifier_dir)
    return found


def row(number: int, pair: str | None = None) -> LabelledText:
    """A text of two paragraphs that ends in its number, and that number's label."""
    return LabelledText(f"some words\n\nand {number:03}", pair, NAMES[number % 3], f"line {number + 1}")


def build(program: Program, tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> Corpus:
    source = TextSource(64, tokenizer=tokenizer, texts={"": Text(texts, "texts")})
    return source.build(program, tokens=(512, 128, 128), batch=4, seed=0, progress=Silent())


def test_every_row_of_every_part_has_its_own_label(program: Program, tokenizer: PreTrainedTokenizerBase) -> None:
    corpus = build(program, tokenizer, [row(number) for number in range(60)])
    seen = 0
    for batch in (*corpus.score, *corpus.choose, *corpus.report):
        for tokens, label in zip(batch["input_ids"], batch[LABELS].tolist(), strict=True):
            text = str(tokenizer.decode(tokens, skip_special_tokens=True))
            assert text.startswith("some words")
            assert int(text[-3:]) % 3 == label
            seen += 1
    assert seen > 12


def test_a_pair_is_tokenised_as_a_pair(program: Program, tokenizer: PreTrainedTokenizerBase) -> None:
    corpus = build(program, tokenizer, [row(number, "a second text") for number in range(60)])
    expected = [tokenizer(f"some words\n\nand {number:03}", "a second text")["input_ids"] for number in range(60)]
    for batch in corpus.score:
        for tokens, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
            assert tokens[mask.bool()].tolist() in expected


def test_plain_text_has_no_labels(program: Program, tokenizer: PreTrainedTokenizerBase) -> None:
    corpus = build(program, tokenizer, [str(row(number)) for number in range(60)])
    assert all(LABELS not in batch for batch in corpus.score)


def test_models_that_do_not_classify_read_labelled_rows_as_text(program: Program) -> None:
    (text,) = indexed([row(3)], ())
    assert type(text) is str
    tagger = replace(program, provenance=replace(program.provenance, task="token-classification"))
    assert label_names(program) == NAMES
    assert label_names(tagger) == ()


def test_a_label_may_be_an_index() -> None:
    (text,) = indexed([LabelledText("text", None, 2, "line 1")], NAMES)
    assert isinstance(text, LabelledText)
    assert text.answer == 2


@pytest.mark.parametrize("label", [3, -1, True, 0.5, "sports", ["law"]])
def test_an_unknown_label_is_named_with_those_there_are(label: object) -> None:
    with pytest.raises(InputError, match=r"line 7 has the label .*, which the model does not know.*") as error:
        indexed([LabelledText("text", None, label, "line 7")], NAMES)
    assert repr(label) in str(error.value)
    assert "law, sport, weather, or 0 to 2" in str(error.value)


def test_labels_change_the_objective_of_classes_only() -> None:
    batch = {LABELS: torch.tensor([1])}
    assert isinstance(with_labels(Logits(), [batch]), LabelledLogits)
    assert not isinstance(with_labels(Logits(), [batch, {}]), LabelledLogits)
    assert not isinstance(with_labels(objective("features"), [batch]), LabelledLogits)


@pytest.mark.parametrize("labels", [torch.tensor([[1, -100]]), torch.tensor([0.5])], ids=["of tokens", "a number"])
def test_labels_that_are_no_class_of_a_row_are_left_alone(labels: torch.Tensor) -> None:
    assert not isinstance(with_labels(Logits(), [{LABELS: labels}]), LabelledLogits)


def test_the_target_is_the_summed_cross_entropy_and_the_report_counts_hits() -> None:
    logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 1.0]])
    inputs, outputs = {LABELS: torch.tensor([0, 2])}, {"logits": logits}
    expected = -(logits.log_softmax(-1)[0, 0] + logits.log_softmax(-1)[1, 2])
    goal = LabelledLogits()
    assert float(goal.target(outputs, inputs, torch.Generator())) == pytest.approx(float(expected), rel=1e-6)
    assert goal.report(outputs, outputs, inputs) == (1.0, 2.0)
