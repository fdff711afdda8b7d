"""Where text comes from: what was given first, then the model's own, then the standard library's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from prunec.calibration.corpus import Corpus
from prunec.calibration.textsource import Text, TextSource
from prunec.errors import InputError
from prunec.ir.program import Program
from prunec.passbase import Progress, Silent
from tests.passes.cases import load_case, small_corpus

TEXT = [f"Line {number} of a text that somebody gave.\n\n" * 5 for number in range(60)]


@pytest.fixture(scope="module")
def program(tiny_llama_dir: Path) -> Program:
    return load_case(tiny_llama_dir).program


@pytest.fixture(scope="module")
def tokenizer(tiny_llama_dir: Path) -> PreTrainedTokenizerBase:
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(tiny_llama_dir)
    return found


def write(tokens: int, sequence: int, seed: int, progress: Progress) -> Tensor:
    return torch.full((-(-tokens // sequence), sequence), 7)


def build(program: Program, source: TextSource) -> Corpus:
    return source.build(program, tokens=(256, 128, 128), batch=2, seed=0, progress=Silent())


def test_batches_come_before_all_else(program: Program, tokenizer: PreTrainedTokenizerBase) -> None:
    batches = small_corpus().score
    corpus = build(program, TextSource(32, True, tokenizer, batches, {"": Text(TEXT, "text")}, write))
    assert corpus.score[0]["input_ids"].shape == (4, 12)
    assert not corpus.is_default


def test_given_text_comes_before_the_models_own(program: Program, tokenizer: PreTrainedTokenizerBase) -> None:
    corpus = build(program, TextSource(32, True, tokenizer, None, {"": Text(TEXT, "my text")}, write))
    assert corpus.description == "my text"
    assert not corpus.is_default
    assert len({int(token) for token in corpus.score[0]["input_ids"].flatten()}) > 5


def test_a_generative_model_writes_where_nothing_is_given(program: Program, tokenizer: PreTrainedTokenizerBase) -> None:
    corpus = build(program, TextSource(32, True, tokenizer, writer=write))
    assert corpus.is_default
    assert corpus.description == "text that the model wrote itself"
    parts = (corpus.score, corpus.choose, corpus.report)
    assert [sum(len(batch["input_ids"]) for batch in part) for part in parts] == [8, 4, 4]
    assert (corpus.score[0]["input_ids"] == 7).all()


def test_other_models_read_the_standard_library(program: Program, tokenizer: PreTrainedTokenizerBase) -> None:
    corpus = build(program, TextSource(32, tokenizer=tokenizer))
    assert corpus.is_default
    assert "standard library" in corpus.description


def test_text_without_a_tokenizer_is_refused(program: Program) -> None:
    with pytest.raises(InputError, match="no tokenizer"):
        build(program, TextSource(32, texts={"": Text(TEXT, "text")}))


def test_named_texts_share_the_tokens_and_each_is_disjoint(
    program: Program, tokenizer: PreTrainedTokenizerBase
) -> None:
    texts = {
        name: Text([f"{word} {number} of a text of its own.\n\n" * 4 for number in range(60)], f"{name}.txt")
        for name, word in (("b", "Line"), ("a", "Verse"))
    }
    corpus = build(program, TextSource(32, True, tokenizer, texts=texts))
    assert corpus.description == "a=a.txt, b=b.txt"
    for part, wanted in (("score", 256), ("choose", 128), ("report", 128)):
        whole = sum(batch["input_ids"].numel() for batch in getattr(corpus, part))
        shares = [sum(batch["input_ids"].numel() for batch in getattr(own, part)) for own in corpus.named.values()]
        assert (whole, shares) == (wanted, [wanted // 2] * 2)
    for own in corpus.named.values():
        windows = [row for part in (own.score, own.choose, own.report) for batch in part for row in batch["input_ids"]]
        assert len({tuple(row.tolist()) for row in windows}) == len(windows)


def test_documents_of_two_texts_are_noted(program: Program, tokenizer: PreTrainedTokenizerBase) -> None:
    corpus = build(program, TextSource(32, True, tokenizer, texts={"a": Text(TEXT, "a"), "b": Text(TEXT[:40], "b")}))
    assert any("40 documents are in more than one calibration text" in note for note in corpus.notes)
