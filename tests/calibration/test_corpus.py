"""The corpus: three disjoint parts in the shapes that programs take."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from prunec.calibration.batching import Batch, Batches
from prunec.calibration.corpus import Corpus, check_sequence
from prunec.errors import InputError
from prunec.ir.program import Input

AXES = {0: "batch", 1: "sequence"}
INPUTS = [Input(name, torch.long, AXES) for name in ("input_ids", "attention_mask")]


@pytest.fixture(scope="module")
def tokenizer(tiny_llama_dir: Path) -> PreTrainedTokenizerBase:
    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(tiny_llama_dir)
    return loaded


def words(count: int, seed: int) -> str:
    draw = random.Random(seed)
    return " ".join("".join(draw.choices("abcdefghij", k=draw.randint(2, 8))) for _ in range(count))


def documents(count: int = 12, paragraphs: int = 8) -> list[str]:
    return ["\n\n".join(words(30, 100 * n + p) for p in range(paragraphs)) for n in range(count)]


def build(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, **changes: Any) -> Corpus:
    settings: dict[str, Any] = {
        "packs": True,
        "sequence": 16,
        "batch": 4,
        "score_tokens": 256,
        "choose_tokens": 128,
        "report_tokens": 96,
        "seed": 0,
        "description": "words",
        "is_default": False,
    }
    return Corpus.build(texts, tokenizer, INPUTS, **(settings | changes))


def parts(corpus: Corpus) -> tuple[Batches, Batches, Batches]:
    return corpus.score, corpus.choose, corpus.report


def real_rows(batches: Batches) -> list[list[int]]:
    """The rows without their padding."""
    return [
        row[mask.bool()].tolist()
        for batch in batches
        for row, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]


def text_of(tokenizer: PreTrainedTokenizerBase, row: list[int]) -> str:
    return str(tokenizer.decode(row, skip_special_tokens=True))


def sources(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, part: Batches) -> set[int]:
    """Which of `texts` the rows of `part` are from."""
    rows = [text_of(tokenizer, row)[2:-2] for row in real_rows(part)]
    pieces = [piece for row in rows for piece in row.split("\n\n") if len(piece) > 9]
    return {number for number, text in enumerate(texts) if any(piece in text for piece in pieces)}


def test_windows_are_full_and_as_many_as_asked(tokenizer: PreTrainedTokenizerBase) -> None:
    corpus = build(documents(), tokenizer)
    assert [len(real_rows(part)) for part in parts(corpus)] == [16, 8, 6]
    assert all(batch["input_ids"].shape[1] == 16 for part in parts(corpus) for batch in part)
    assert all(bool(batch["attention_mask"].all()) for part in parts(corpus) for batch in part)
    assert corpus.notes == ()


def test_batches_are_of_the_size_asked(tokenizer: PreTrainedTokenizerBase) -> None:
    corpus = build(documents(), tokenizer, batch=5)
    assert sorted(len(batch["input_ids"]) for batch in corpus.score) == [1, 5, 5, 5]


@pytest.mark.parametrize("packs", [True, False])
def test_parts_share_no_text(tokenizer: PreTrainedTokenizerBase, packs: bool) -> None:
    texts = documents()
    corpus = build(texts, tokenizer, packs=packs)
    owners = [sources(texts, tokenizer, part) for part in parts(corpus)]
    assert all(owners)
    assert not owners[0] & owners[1] | owners[0] & owners[2] | owners[1] & owners[2]


def test_one_document_is_split_without_overlap(tokenizer: PreTrainedTokenizerBase) -> None:
    text = " ".join(f"w{number}." for number in range(2000))
    corpus = build([text], tokenizer)
    seen = [{w for row in real_rows(part) for w in text_of(tokenizer, row).split()[1:-1]} for part in parts(corpus)]
    assert not seen[0] & seen[1] | seen[0] & seen[2] | seen[1] & seen[2]


def test_windows_reach_all_over_a_long_document(tokenizer: PreTrainedTokenizerBase) -> None:
    text = " ".join(f"{number:05d}" for number in range(20_000))
    score = build([text], tokenizer, sequence=8).score
    numbers = [int(w) for row in real_rows(score) for w in text_of(tokenizer, row).split() if len(w) == 5]
    assert max(numbers) - min(numbers) > 1_500


def test_encoder_texts_are_padded_with_a_mask(tokenizer: PreTrainedTokenizerBase) -> None:
    texts = ["\n\n".join(words(n % 7 + 1, n) for n in range(40)), *documents(3)]
    corpus = build(texts, tokenizer, packs=False, sequence=40)
    batches = [batch for part in parts(corpus) for batch in part]
    assert any(not bool(batch["attention_mask"].all()) for batch in batches)
    for batch in batches:
        padding = batch["attention_mask"] == 0
        assert bool((batch["input_ids"][padding] == tokenizer.pad_token_id).all())
        assert bool((batch["attention_mask"][:, 0] == 1).all())
        assert batch["input_ids"].shape[1] <= 40
    assert all(len(row) >= 3 for part in parts(corpus) for row in real_rows(part))


def test_padding_does_not_count_as_text(tokenizer: PreTrainedTokenizerBase) -> None:
    corpus = build(documents(), tokenizer, packs=False, sequence=40)
    assert 256 <= sum(map(len, real_rows(corpus.score))) < 256 + 40


def test_the_same_seed_gives_the_same_corpus_and_another_does_not(tokenizer: PreTrainedTokenizerBase) -> None:
    first, again, other = (build(documents(), tokenizer, seed=seed) for seed in (0, 0, 1))
    assert first.data_hash == again.data_hash != other.data_hash


def test_segment_ids_are_made_where_the_program_takes_them(tokenizer: PreTrainedTokenizerBase) -> None:
    inputs = [*INPUTS, Input("token_type_ids", torch.long, AXES)]
    corpus = Corpus.build(
        documents(),
        tokenizer,
        inputs,
        packs=False,
        sequence=16,
        batch=4,
        score_tokens=64,
        choose_tokens=32,
        report_tokens=32,
        seed=0,
        description="words",
        is_default=True,
    )
    assert all(not bool(batch["token_type_ids"].any()) for batch in corpus.score)
    assert corpus.is_default


def test_an_input_that_text_cannot_feed(tokenizer: PreTrainedTokenizerBase) -> None:
    inputs = [Input("pixel_values", torch.float32, {0: "batch"})]
    with pytest.raises(InputError, match="cannot feed the input pixel_values"):
        Corpus.from_windows(
            torch.zeros(9, 4, dtype=torch.long),
            inputs,
            batch=2,
            score_tokens=1,
            choose_tokens=1,
            report_tokens=1,
            description="x",
            is_default=True,
        )


def test_short_text_is_noted(tokenizer: PreTrainedTokenizerBase) -> None:
    corpus = build([words(60, 0)], tokenizer)
    assert len(corpus.notes) == 3
    assert "of 256 tokens for scoring" in corpus.notes[0]


@pytest.mark.parametrize("packs", [True, False])
def test_too_little_text(tokenizer: PreTrainedTokenizerBase, packs: bool) -> None:
    with pytest.raises(InputError, match=r"words is too little to calibrate with: \d+ usable tokens.*480 tokens"):
        build(["hello there"], tokenizer, packs=packs)


def test_text_that_the_tokenizer_does_not_know_is_noted(tokenizer: PreTrainedTokenizerBase) -> None:
    corpus = build(["<unk> " * 400], tokenizer)
    assert any("unknown to the tokenizer" in note for note in corpus.notes)


@pytest.mark.parametrize("packs", [True, False])
def test_text_to_train_on_is_the_rest_of_what_scoring_has(tokenizer: PreTrainedTokenizerBase, packs: bool) -> None:
    texts = documents(40)
    corpus = build(texts, tokenizer, packs=packs)
    training = corpus.training(100_000, 8)
    found = sources(texts, tokenizer, training)
    assert sources(texts, tokenizer, corpus.score) <= found
    assert not found & (sources(texts, tokenizer, corpus.choose) | sources(texts, tokenizer, corpus.report))
    assert len(real_rows(training)) > 4 * len(real_rows(corpus.score))
    assert max(len(batch["input_ids"]) for batch in training) == 8


def test_as_much_text_to_train_on_is_read_as_is_asked_for(tokenizer: PreTrainedTokenizerBase) -> None:
    training = build(documents(40), tokenizer).training(640, 4)
    assert [tuple(batch["input_ids"].shape) for batch in training] == [(4, 16)] * 10


def test_ready_windows_are_split_in_proportion() -> None:
    windows = torch.arange(80).reshape(20, 4)
    corpus = Corpus.from_windows(
        windows,
        INPUTS,
        batch=4,
        score_tokens=40,
        choose_tokens=20,
        report_tokens=20,
        description="own text",
        is_default=True,
    )
    rows = [real_rows(part) for part in parts(corpus)]
    assert [len(part) for part in rows] == [10, 5, 5]
    assert sorted(token for part in rows for row in part for token in row) == list(range(80))


def ready(rows: int) -> Batch:
    return {"input_ids": torch.randint(0, 9, (rows, 4)), "attention_mask": torch.ones(rows, 4, dtype=torch.long)}


def test_ready_batches_are_all_there_is_to_train_on() -> None:
    corpus = Corpus.from_batches([ready(2) for _ in range(8)], INPUTS)
    assert corpus.training(10**6, 2) is corpus.score


def test_ready_batches_are_split_whole() -> None:
    corpus = Corpus.from_batches([ready(2) for _ in range(8)], INPUTS)
    assert [len(part) for part in parts(corpus)] == [4, 2, 2]
    assert all(len(batch["input_ids"]) == 2 for part in parts(corpus) for batch in part)


def test_few_ready_batches_are_split_by_rows() -> None:
    corpus = Corpus.from_batches([ready(4)], INPUTS)
    assert [len(part) for part in parts(corpus)] == [2, 1, 1]


def test_too_few_ready_rows() -> None:
    with pytest.raises(InputError, match="2 sequences are too few"):
        Corpus.from_batches([ready(2)], INPUTS)


def test_a_ready_batch_without_an_input() -> None:
    with pytest.raises(InputError, match="calibration batch 0 lacks a tensor attention_mask"):
        Corpus.from_batches([{"input_ids": torch.zeros(3, 4, dtype=torch.long)}], INPUTS)


def test_a_ready_batch_of_another_type() -> None:
    with pytest.raises(InputError, match=r"input_ids in calibration batch 0 is torch\.float32"):
        Corpus.from_batches([{**ready(3), "input_ids": torch.zeros(3, 4)}], INPUTS)


def test_a_sequence_within_the_limit_is_accepted() -> None:
    check_sequence(128, 128)
    check_sequence(10_000, None)


@pytest.mark.parametrize(
    ("sequence", "message"), [(129, "longer than the model takes.*128 or fewer"), (1, "too short")]
)
def test_a_sequence_out_of_range(sequence: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_sequence(sequence, 128)
