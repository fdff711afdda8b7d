"""Calibration builds the corpus that it is told to, and passes on what is odd about it."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from prunec.calibration.corpus import Corpus
from prunec.calibration.textsource import Text, TextSource
from prunec.errors import InputError
from prunec.passbase import Context, Silent
from prunec.passes.analysis.calibrate import CalibratePass
from tests.passes.cases import Case, small_corpus


class Listener(Silent):
    """Keeps warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def test_text_becomes_three_parts(llama: Case, tiny_llama_dir: Path, tmp_path: Path) -> None:
    text = [f"A sentence about number {number} and little else.\n\n" * 3 for number in range(200)]
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama_dir)
    source = TextSource(32, packs=True, tokenizer=tokenizer, texts={"": Text(text, "my text")})
    listener = Listener()
    work = CalibratePass(score=512, choose=256, report=128, batch=4)
    result = work.run(llama.program, llama.facts(source), Context(tmp_path, tmp_path, 3, listener))
    (corpus,) = result.facts
    assert isinstance(corpus, Corpus)
    parts = (corpus.score, corpus.choose, corpus.report)
    assert [sum(batch["input_ids"].numel() for batch in part) for part in parts] == [512, 256, 128]
    assert not corpus.is_default
    assert result.log == "my text"
    assert not listener.warnings


def test_too_short_a_text_is_a_warning(llama: Case, tiny_llama_dir: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama_dir)
    text = [f"Paragraph {number} says nothing new.\n\n" * 4 for number in range(8)]
    source = TextSource(32, packs=True, tokenizer=tokenizer, texts={"": Text(text, "my text")})
    listener = Listener()
    CalibratePass().run(llama.program, llama.facts(source), Context(tmp_path, tmp_path, 0, listener))
    assert "calibration text is short" in listener.warnings[0]


def test_ready_batches_need_no_tokenizer(llama: Case, context: Context) -> None:
    source = TextSource(32, batches=small_corpus().score)
    (corpus,) = CalibratePass().run(llama.program, llama.facts(source), context).facts
    assert isinstance(corpus, Corpus)
    assert [len(part) for part in (corpus.score, corpus.choose, corpus.report)] == [4, 2, 2]


def test_without_a_tokenizer_there_is_no_text(llama: Case, context: Context) -> None:
    with pytest.raises(InputError, match="has no tokenizer"):
        CalibratePass().run(llama.program, llama.facts(TextSource(32)), context)
