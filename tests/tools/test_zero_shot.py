"""Topics by the next word: questions have one length, and only the words of labels compete."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from prunec.cost.request import Feed
from prunec.cost.timer import Arrays
from prunec.errors import InputError
from tests.conftest import tiny_tokenizer
from tools.bench.zero_shot import QUESTION, TOKENS, ZeroShot

STORY = "The coach said that the second half was a lesson in patience. "


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return tiny_tokenizer()


def written(folder: Path, rows: list[tuple[str, str]]) -> Path:
    path = folder / "stories.jsonl"
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
    return path


@dataclass(frozen=True)
class Says:
    """A language model whose next word is one of `words` whatever it is asked, and louder still another word."""

    word: int
    other: int
    vocabulary: int
    feeds: tuple[Feed, ...] = (Feed("input_ids", np.dtype(np.int64), ("batch", "sequence")),)

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        logits = np.zeros((*inputs["input_ids"].shape, self.vocabulary))
        logits[:, -1, self.word], logits[:, -1, self.other] = 1, 2
        return {"logits": logits}


def test_a_story_is_cut_so_that_the_question_ends_it(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    asked = ZeroShot.read(written(tmp_path, [(STORY * 30, "weather"), (STORY * 40, "sport")]), tokenizer)
    assert asked.questions.shape == (2, TOKENS)
    said = [str(tokenizer.decode(row)) for row in asked.questions]
    assert all(text.startswith(STORY[:20]) and text.endswith(QUESTION) for text in said)
    assert asked.truth.tolist() == [1, 0]


def test_the_likeliest_of_the_words_answers(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    rows = [(STORY * 30, "weather"), *[(STORY * 30, "sport")] * 20]
    labels = [(text, "-" * place + label) for place, (text, label) in enumerate(rows[:1])] + rows[1:]
    asked = ZeroShot.read(written(tmp_path, labels), tokenizer)
    other = next(token for token in range(len(tokenizer)) if token not in asked.words)
    sport, weather = (int(word) for word in asked.words)
    assert asked.right(Says(sport, other, len(tokenizer))).sum() == 20
    assert asked.right(Says(weather, other, len(tokenizer))).tolist() == [True] + [False] * 20


def test_labels_that_begin_alike_are_refused(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sport, sport2, do not differ in their first tokens"):
        ZeroShot.read(written(tmp_path, [(STORY * 30, "sport"), (STORY * 30, "sport2")]), tokenizer)


def test_stories_that_are_too_short_are_left_out(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    path = written(tmp_path, [(STORY * 30, "weather"), ("Rain.", "weather")])
    assert len(ZeroShot.read(path, tokenizer).truth) == 1
    with pytest.raises(InputError, match="no labelled text of"):
        ZeroShot.read(written(tmp_path, [("Rain.", "weather")]), tokenizer)
